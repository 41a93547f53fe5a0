"""Terraform's own tests with a mocked provider, its format, and its match with our settings."""

import re
from pathlib import Path

import pytest

from tests.terraform import Terraform

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

_ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def terraform(tmp_path_factory: pytest.TempPathFactory) -> Terraform:
    return Terraform.copy(tmp_path_factory.mktemp("terraform"))


def test_the_modules_pass_their_own_tests(terraform: Terraform) -> None:
    done = terraform.run("test")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    passed = re.search(r"Success! (\d+) passed, 0 failed", done.stdout)
    assert passed
    assert int(passed[1]) >= 22


def test_a_wrong_right_turns_them_red(tmp_path: Path) -> None:
    broken = Terraform.copy(tmp_path)
    policy = broken.folder / "modules" / "identity" / "main.tf"
    before = policy.read_text()
    policy.write_text(before.replace('objects = ["s3:GetObject"]', 'objects = ["s3:*"]'))
    assert policy.read_text() != before

    done = broken.run("test", "-filter=tests/identity.tftest.hcl")
    assert done.returncode == 1
    assert "a duty's rights have changed" in done.stdout + done.stderr


def test_every_setting_that_it_gives_is_documented() -> None:
    given = re.findall(r'"([A-Z_]+)=', (_ROOT / "terraform" / "outputs.tf").read_text())
    example = (_ROOT / ".env.example").read_text()
    assert len(given) == 7
    assert [name for name in given if f"\n{name}=" not in example] == []
