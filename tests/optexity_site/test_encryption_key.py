"""Encryption keys as an operator writes them, and the one that is made when none is given."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from optexity_site.encryption_key import read_encryption_key

ROOT = Path(__file__).resolve().parent.parent.parent
GOOD = "4f1c0b7a9d2e8365f0a1b2c3d4e5f607"
OTHER = "99887766554433221100ffeeddccbbaa"
SHOW = "from optexity_site import settings; print(*settings.ENCRYPTION_KEYS)"


def settings_of(data_dir: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    inherited = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME")}
    return subprocess.run(
        [sys.executable, "-c", SHOW],
        cwd=ROOT,
        env={**inherited, "DATA_DIR": str(data_dir), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_random_text_is_a_key() -> None:
    assert read_encryption_key(GOOD) == GOOD


@pytest.mark.parametrize("text", ["short-and-secret", "0" * 64, "ab" * 20])
def test_what_is_short_or_not_random_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="key") as refused:
        read_encryption_key(text)
    assert text not in str(refused.value)


def test_one_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    first, second = settings_of(tmp_path), settings_of(tmp_path)
    assert first.returncode == 0, first.stderr
    assert first.stdout == second.stdout
    file = tmp_path / "encryption_key"
    assert file.read_text() == first.stdout.strip()
    assert file.stat().st_mode & 0o077 == 0
    assert (tmp_path / "secret_key").read_text() != file.read_text()


def test_those_that_are_given_are_used_in_their_order(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(f"{GOOD}, {OTHER}\n")
    for given in ({"ENCRYPTION_KEYS": f"{GOOD},{OTHER}"}, {"ENCRYPTION_KEYS_FILE": str(tmp_path / "keys")}):
        shown = settings_of(tmp_path, **given)
        assert shown.stdout.split() == [GOOD, OTHER], shown.stderr
    assert not (tmp_path / "encryption_key").exists()


def test_a_wrong_one_stops_the_start_and_is_not_shown(tmp_path: Path) -> None:
    shown = settings_of(tmp_path, ENCRYPTION_KEYS=f"{GOOD},much-too-short")
    assert shown.returncode != 0
    assert "The setting ENCRYPTION_KEYS is wrong (a key has at least 32 characters" in shown.stderr
    assert "much-too-short" not in shown.stderr
    assert GOOD not in shown.stderr
