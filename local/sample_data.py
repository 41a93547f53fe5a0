"""Generated data in the shape of the public sample API. Invariant: same seed, same records.

A record depends only on (seed, id), so one of a million can be generated without the others.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

POSTS_PER_USER = 10
COMMENTS_PER_POST = 5
_TEXT = (
    "amber anchor basin beacon birch bridge canyon cedar cinder clover comet copper coral cradle "
    "delta drift ember fable falcon fern flint garnet glacier harbor hazel heron island ivory "
    "juniper kettle lantern lichen linen lumen maple marble meadow mirror mosaic nectar north "
    "oasis onyx orchard otter pebble pepper pine quartz quiet raven ribbon river saffron signal "
    "silver tide timber velvet willow winter zephyr naïve café über señor Żółw привет данные "
    "数据 管道 データ 안녕 שלום مرحبا 🚀 🦉 👩‍🔧"
    " \"quoted\" back\\slash tab\there <b>&amp; 'single' 1/2 50%"
)
_WORDS = _TEXT.split(" ")


@dataclass(frozen=True)
class Sample:
    """One data set: the number of posts, the seed, and later edits and deletions.

    Attributes:
        posts: number of posts before deletions. It determines the number of users and comments.
        seed: a different seed gives different records.
        edited: fields that replace or extend those of a post, by post id.
        deleted: ids of posts that are left out, with their comments.
    """

    posts: int
    seed: int
    edited: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    deleted: Iterable[int] = ()

    def ids(self, resource: str) -> Sequence[int]:
        """Return the ids of a resource (posts, comments or users) in ascending order."""
        if resource == "users":
            return range(1, -(-self.posts // POSTS_PER_USER) + 1)
        per_post = COMMENTS_PER_POST if resource == "comments" else 1
        every = range(1, self.posts * per_post + 1)
        deleted = frozenset(self.deleted)
        return [i for i in every if -(-i // per_post) not in deleted] if deleted else every

    def record(self, resource: str, number: int) -> dict[str, Any]:
        """Return the record with this id, even if `ids` does not contain it."""
        makers = {"posts": self._post, "comments": self._comment, "users": self._user}
        return makers[resource](number)

    def _post(self, number: int) -> dict[str, Any]:
        words = self._words("post", number)
        lines = (words[i : i + 6] for i in range(8, 32, 6))
        post = {
            "userId": (number - 1) // POSTS_PER_USER + 1,
            "id": number,
            "title": " ".join(words[: 3 + number % 5]),
            "body": "\n".join(" ".join(line) for line in lines),
        }
        return {**post, **self.edited.get(number, {})}

    def _comment(self, number: int) -> dict[str, Any]:
        words = self._words("comment", number)
        return {
            "postId": (number - 1) // COMMENTS_PER_POST + 1,
            "id": number,
            "name": " ".join(words[:4]),
            "email": f"reader{number}@example.org",
            "body": "\n".join((" ".join(words[4:12]), " ".join(words[12:20]))),
        }

    def _user(self, number: int) -> dict[str, Any]:
        words = self._words("user", number)
        return {
            "id": number,
            "name": f"{words[0].title()} {words[1].title()}",
            "username": f"writer{number}",
            "email": f"writer{number}@example.org",
            "address": {
                "street": words[2],
                "suite": f"Suite {number % 900 + 100}",
                "city": words[3],
                "zipcode": f"{number % 90000 + 10000}",
                "geo": {"lat": f"{number % 90}.{number % 7}", "lng": f"{number % 180}.5"},
            },
            "phone": f"555-{number % 10000:04}",
            "website": f"writer{number}.example.org",
            "company": {
                "name": words[4].title(),
                "catchPhrase": " ".join(words[5:8]),
                "bs": " ".join(words[8:11]),
            },
        }

    def _words(self, kind: str, number: int) -> list[str]:
        digest = hashlib.blake2b(f"{self.seed}/{kind}/{number}".encode()).digest()
        return [_WORDS[byte % len(_WORDS)] for byte in digest]
