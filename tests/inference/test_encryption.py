"""Sealing: only with the key, only where it belongs, and only unchanged."""

import pytest
from pytest_django import Settings

from inference.encryption import UnsealError, seal, unseal

OLD = "an old key that is long enough 0123456789"
NEW = "a new key that is long enough 9876543210"
PLAIN = b"what nobody should read"


@pytest.fixture(autouse=True)
def _keys(settings: Settings) -> None:
    settings.ENCRYPTION_KEYS = [OLD]


def test_what_is_sealed_opens_again_and_shows_nothing() -> None:
    sealed = seal(PLAIN, about="row 1")
    assert PLAIN not in sealed
    assert unseal(sealed, about="row 1") == PLAIN
    assert seal(PLAIN, about="row 1") != sealed


def test_the_newest_key_seals_and_older_ones_still_open(settings: Settings) -> None:
    before = seal(PLAIN, about="row 1")
    settings.ENCRYPTION_KEYS = [NEW, OLD]
    assert unseal(before, about="row 1") == PLAIN
    after = seal(PLAIN, about="row 1")
    settings.ENCRYPTION_KEYS = [NEW]
    assert unseal(after, about="row 1") == PLAIN
    with pytest.raises(UnsealError, match="its key is not among the ENCRYPTION_KEYS of this host"):
        unseal(before, about="row 1")


def test_it_opens_nowhere_else() -> None:
    with pytest.raises(UnsealError, match="another row's"):
        unseal(seal(PLAIN, about="row 1"), about="row 2")


def test_each_changed_byte_is_noticed() -> None:
    sealed = seal(b"short", about="row 1")
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(UnsealError):
            unseal(bytes(changed), about="row 1")


@pytest.mark.parametrize("length", [0, 1, 8, 9, 20, 21, 36])
def test_what_is_cut_does_not_open(length: int) -> None:
    with pytest.raises(UnsealError):
        unseal(seal(PLAIN, about="row 1")[:length], about="row 1")
