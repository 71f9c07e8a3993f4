"""Which options of a select an author means: by value, label, pattern, or the nearest of them."""

from collections.abc import Iterable, Sequence

from automation.patterns import Pattern, PatternError

Option = tuple[str, str]
_PLACEHOLDER_OPTION = "Select One"


def choose_options(options: Sequence[Option], wanted: Sequence[str], *, takes_what_is_left: bool = True) -> list[str]:
    """The values of the options (value, label) that `wanted` means, each once; [] for no options.

    In order: the only option there is (with `takes_what_is_left`; a list that is still loading has one, too);
    regular expressions and equality; the nearest value; the nearest label.
    When nothing fits, `wanted` itself comes back, for the browser to refuse. No language model is asked.
    """
    if not options:
        return []
    if len(options) == 1 and takes_what_is_left:
        return [options[0][0]]
    values = [value for value, _ in options]
    if len(options) == 2 and takes_what_is_left and _PLACEHOLDER_OPTION in values:
        return [next((value for value in values if value != _PLACEHOLDER_OPTION), _PLACEHOLDER_OPTION)]
    chosen = (
        _matching(options, wanted)
        or _nearest([(value, value) for value in values], wanted)
        or _nearest([(label, value) for value, label in options], wanted)
        or wanted
    )
    return list(dict.fromkeys(chosen))


def _matching(options: Sequence[Option], wanted: Iterable[str]) -> list[str]:
    """The values that equal a wanted text in value or label, or match it when it looks like a pattern."""
    chosen: list[str] = []
    for text in wanted:
        pattern = _pattern(text)
        try:
            chosen += [
                value
                for value, label in options
                if (text in (value, label) if pattern is None else _found(pattern, value, label))
            ]
        except PatternError:
            continue  # a search without end finds nothing
    return chosen


def _found(pattern: Pattern, value: str, label: str) -> bool:
    return pattern.found_in(value) or pattern.found_in(label)


def _pattern(text: str) -> Pattern | None:
    if not (text.startswith("^") or text.endswith("$") or ".*" in text):
        return None
    try:
        return Pattern(text)
    except PatternError:
        return None


def _nearest(named: Sequence[tuple[str, str]], wanted: Iterable[str]) -> list[str]:
    """The values of the (name, value) pairs whose names come nearest to the wanted texts, one for each."""
    normalised = [(_normalised(name), value) for name, value in named]
    if len(set(normalised)) != len(normalised):
        return []
    chosen: list[str] = []
    for text in map(_normalised, wanted):
        # max() keeps the first of equals.
        score, value = max(((_score(name, text), value) for name, value in normalised), key=lambda pair: pair[0])
        if score > 0:
            chosen.append(value)
    return chosen


def _normalised(text: str) -> str:
    return text.lower().replace(" ", "")


def _score(name: str, text: str) -> int:
    if name == text:
        return 100
    if not text:
        return 0
    if name.startswith(text):
        return 80
    return 60 if text in name else 0
