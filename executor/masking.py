"""Keeps secret values out of everything that is recorded."""

HIDDEN = "•••"
# A shorter value stands everywhere by chance; hiding it would only show where it is.
_SHORTEST = 3


class Masking:
    """Knows the secret values of one attempt; `mask` is applied to every text that leaves it."""

    def __init__(self) -> None:
        self._hidden: list[str] = []

    def hide(self, value: str) -> None:
        """From now on `value` is shown as dots."""
        if len(value) >= _SHORTEST and value not in self._hidden:
            # Longer values first: one may contain another.
            self._hidden = sorted([*self._hidden, value], key=len, reverse=True)

    def mask(self, text: str) -> str:
        for value in self._hidden:
            text = text.replace(value, HIDDEN)
        return text
