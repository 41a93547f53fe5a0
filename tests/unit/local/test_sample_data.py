"""The generated data: the same seed gives the same records, with the requested changes."""

import pytest

from local.sample_data import COMMENTS_PER_POST, POSTS_PER_USER, Sample

pytestmark = pytest.mark.unit


def test_the_text_is_awkward_on_purpose() -> None:
    sample = Sample(500, 1)
    text = "".join(sample.record("posts", i)["body"] for i in sample.ids("posts"))
    assert all(character in text for character in '🚀"\\\tп数안')


def test_a_seed_is_a_set_and_another_seed_another() -> None:
    def titles(seed: int) -> list[str]:
        return [Sample(20, seed).record("posts", i)["title"] for i in range(1, 21)]

    assert titles(7) == titles(7)
    assert titles(7) != titles(8)


@pytest.mark.parametrize("resource", ["posts", "comments", "users"])
def test_a_record_depends_on_its_seed_and_id_only(resource: str) -> None:
    few, many = Sample(3, 7), Sample(1_000_000, 7)
    assert few.record(resource, 2) == many.record(resource, 2)
    assert few.record(resource, 2) != few.record(resource, 3)
    assert few.record(resource, 2) != Sample(3, 8).record(resource, 2)


def test_every_comment_has_a_post_and_every_post_has_a_user() -> None:
    sample = Sample(POSTS_PER_USER + 1, 1)
    posts, comments, users = (sample.ids(name) for name in ("posts", "comments", "users"))
    assert list(posts) == list(range(1, POSTS_PER_USER + 2))
    assert len(comments) == len(posts) * COMMENTS_PER_POST
    assert list(users) == [1, 2]
    assert {sample.record("comments", i)["postId"] for i in comments} == set(posts)
    assert {sample.record("posts", i)["userId"] for i in posts} == set(users)


def test_an_edit_changes_one_post_and_only_its_named_fields() -> None:
    sample = Sample(3, 1)
    edited = Sample(3, 1, edited={2: {"title": "new", "extra": None}})
    assert edited.record("posts", 2) == {**sample.record("posts", 2), "title": "new", "extra": None}
    assert edited.record("posts", 3) == sample.record("posts", 3)
    assert edited.record("comments", 2) == sample.record("comments", 2)


def test_a_deleted_post_takes_its_comments_with_it() -> None:
    sample = Sample(3, 1, deleted=[2])
    assert list(sample.ids("posts")) == [1, 3]
    assert list(sample.ids("comments")) == [1, 2, 3, 4, 5, 11, 12, 13, 14, 15]
    assert list(sample.ids("users")) == [1]


def test_an_empty_sample_has_no_ids() -> None:
    assert [len(Sample(0, 1).ids(name)) for name in ("posts", "comments", "users")] == [0, 0, 0]
