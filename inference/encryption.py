"""Encryption of what the database keeps and nobody should read in it: AES-256-GCM with the keys of ENCRYPTION_KEYS.

A sealed value is `version (1 byte) + key id (8) + nonce (12) + ciphertext with its tag (16 more than the text)`. It is
bound to what it is about, so a value that was copied to another row does not open there.
"""

import hashlib
import secrets
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

_VERSION = b"\x01"
_KEY_ID_BYTES = 8
_NONCE_BYTES = 12
_KEY_ID_ENDS = len(_VERSION) + _KEY_ID_BYTES
_NONCE_ENDS = _KEY_ID_ENDS + _NONCE_BYTES


class UnsealError(Exception):
    """A sealed value cannot be opened. The text says why, and holds nothing of it."""


def seal(plain: bytes, *, about: str) -> bytes:
    """`plain`, encrypted with the newest key. `about` names the row and column that it is for."""
    key_id, cipher = _newest()
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return _VERSION + key_id + nonce + cipher.encrypt(nonce, plain, _bound_to(key_id, about))


def unseal(sealed: bytes, *, about: str) -> bytes:
    """What was sealed for `about`. Raises UnsealError: no such key on this host, another row's, or damaged."""
    if len(sealed) < _NONCE_ENDS or sealed[:1] != _VERSION:
        raise UnsealError("it is not in a form that this server writes")
    key_id, nonce = sealed[1:_KEY_ID_ENDS], sealed[_KEY_ID_ENDS:_NONCE_ENDS]
    cipher = _ciphers().get(key_id)
    if cipher is None:
        raise UnsealError("its key is not among the ENCRYPTION_KEYS of this host")
    try:
        return cipher.decrypt(nonce, sealed[_NONCE_ENDS:], _bound_to(key_id, about))
    except InvalidTag:
        raise UnsealError("it was changed, or is another row's") from None


def _bound_to(key_id: bytes, about: str) -> bytes:
    return _VERSION + key_id + about.encode()


def _newest() -> tuple[bytes, AESGCM]:
    return _derived(settings.ENCRYPTION_KEYS[0])


def _ciphers() -> dict[bytes, AESGCM]:
    return dict(map(_derived, settings.ENCRYPTION_KEYS))


@lru_cache(maxsize=32)
def _derived(text: str) -> tuple[bytes, AESGCM]:
    """Id and cipher of a key. The id is another derivation, so it says nothing about the key itself."""
    key = HKDF(SHA256(), length=32, salt=None, info=b"optexity-server encryption").derive(text.encode())
    key_id = hashlib.sha256(b"optexity-server key id" + key).digest()[:_KEY_ID_BYTES]
    return key_id, AESGCM(key)
