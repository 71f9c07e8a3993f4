"""Encryption keys as an operator writes them."""

# 32 hexadecimal digits are 128 bits.
SHORTEST_KEY = 32
_FEWEST_DIFFERENT = 8


def read_encryption_key(text: str) -> str:
    """`text`, if it can be a random key. Raises ValueError, which does not repeat it."""
    if len(text) < SHORTEST_KEY:
        raise ValueError(f"a key has at least {SHORTEST_KEY} characters, one of these has {len(text)}")
    if len(set(text)) < _FEWEST_DIFFERENT:
        raise ValueError("one of these keys is not random")
    return text
