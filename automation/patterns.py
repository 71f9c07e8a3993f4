r"""Regular expressions whose work is bounded, for patterns and texts of strangers.

Python's `re` tries one way after another, and a pattern such as `(a+)+$` can keep it busy for years. Here all ways
are followed at once, and each step is counted.

Known: characters, `.`, `[...]`, `\d \w \s \D \W \S \b \B \A \Z`, `^ $`, groups, `|`, `* + ? {m,n}` with their lazy
forms, and `(?i)` at the beginning. Unknown: look-around, back-references, other flags.
Source: https://swtch.com/~rsc/regexp/regexp2.html (Pike's virtual machine)
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from automation.problems import LanguageError

MAX_PATTERN_CHARACTERS = 500
MAX_INSTRUCTIONS = 1_000
MAX_TEXT_CHARACTERS = 10_000
# Instructions looked at in all searches of one Pattern: about a second of Python.
MAX_STEPS = 2_000_000
_MAX_NESTING = 50
_MAX_REPEATS = 1_000

_Matches = Callable[[str], bool]
_Holds = Callable[[str, int], bool]


class PatternError(LanguageError):
    """The pattern is wrong, uses something unknown, or its searches take too many steps."""


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _at_boundary(text: str, position: int) -> bool:
    before = position > 0 and _is_word(text[position - 1])
    after = position < len(text) and _is_word(text[position])
    return before != after


def _at_end(text: str, position: int) -> bool:
    return position == len(text) or (position == len(text) - 1 and text[position] == "\n")


_CLASSES: dict[str, _Matches] = {
    "d": str.isdecimal,
    "w": _is_word,
    "s": str.isspace,
    "D": lambda character: not character.isdecimal(),
    "W": lambda character: not _is_word(character),
    "S": lambda character: not character.isspace(),
}
_LOOKS: dict[str, _Holds] = {
    "b": _at_boundary,
    "B": lambda text, position: not _at_boundary(text, position),
    "A": lambda _, position: position == 0,
    "Z": lambda text, position: position == len(text),
}
_CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "a": "\a"}


# What a pattern is made of, after reading:


@dataclass(frozen=True, slots=True)
class _One:
    """One character."""

    matches: _Matches


@dataclass(frozen=True, slots=True)
class _Look:
    """A place between characters."""

    holds: _Holds


@dataclass(frozen=True, slots=True)
class _Sequence:
    parts: tuple["_Part", ...]


@dataclass(frozen=True, slots=True)
class _Choice:
    parts: tuple["_Part", ...]


@dataclass(frozen=True, slots=True)
class _Repeat:
    """`least` to `most` times; None: without limit."""

    part: "_Part"
    least: int
    most: int | None


_Part = _One | _Look | _Sequence | _Choice | _Repeat


class _PatternReader:
    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._position = 0
        self._nesting = 0

    def whole(self) -> _Part:
        part = self._choice()
        if self._position < len(self._pattern):
            raise PatternError("has a ) without its (")
        return part

    def _peek(self) -> str:
        return self._pattern[self._position : self._position + 1]

    def _take(self) -> str:
        character = self._peek()
        if not character:
            raise PatternError("ends too early")
        self._position += 1
        return character

    def _taken(self, text: str) -> bool:
        if self._pattern.startswith(text, self._position):
            self._position += len(text)
            return True
        return False

    def _choice(self) -> _Part:
        self._nesting += 1
        if self._nesting > _MAX_NESTING:
            raise PatternError("is nested too deeply")
        parts = [self._sequence()]
        while self._taken("|"):
            parts.append(self._sequence())
        self._nesting -= 1
        return parts[0] if len(parts) == 1 else _Choice(tuple(parts))

    def _sequence(self) -> _Part:
        parts: list[_Part] = []
        while self._peek() not in ("", "|", ")"):
            parts.append(self._repeated(self._single()))
        return _Sequence(tuple(parts))

    def _single(self) -> _Part:
        match self._take():
            case "(":
                return self._group()
            case "[":
                return _One(self._set())
            case ".":
                return _One(lambda character: character != "\n")
            case "^":
                return _Look(_LOOKS["A"])
            case "$":
                return _Look(_at_end)
            case "\\":
                return self._escape()
            case "*" | "+" | "?":
                raise PatternError("has a repetition of nothing")
            case character:
                return _One(character.__eq__)

    def _group(self) -> _Part:
        if self._taken("?") and not self._taken(":"):
            raise PatternError("has a group of a kind that is not known here")
        part = self._choice()
        if not self._taken(")"):
            raise PatternError("has a ( without its )")
        return part

    def _escape(self) -> _Part:
        character = self._take()
        if character in _LOOKS:
            return _Look(_LOOKS[character])
        if character in _CLASSES:
            return _One(_CLASSES[character])
        return _One(self._escaped(character).__eq__)

    def _escaped(self, character: str) -> str:
        if character in _CONTROLS:
            return _CONTROLS[character]
        if character in "xu":
            digits = "".join(self._take() for _ in range(2 if character == "x" else 4))
            if not all(digit in "0123456789abcdefABCDEF" for digit in digits):
                raise PatternError("has an escape that is not readable")
            return chr(int(digits, 16))
        if character.isalnum():
            raise PatternError(f"has an escape that is not known here: \\{character}")
        return character

    def _set(self) -> _Matches:
        negated = self._taken("^")
        members: list[_Matches] = []
        is_first = True
        while is_first or self._peek() != "]":
            members.append(self._set_member())
            is_first = False
        self._take()
        return lambda character: any(member(character) for member in members) is not negated

    def _set_member(self) -> _Matches:
        low = self._take()
        if low == "\\":
            escape = self._take()
            if escape in _CLASSES:
                return _CLASSES[escape]
            low = "\b" if escape == "b" else self._escaped(escape)
        following = self._pattern[self._position : self._position + 2]
        if len(following) < 2 or following[0] != "-" or following[1] == "]":
            return low.__eq__
        self._take()
        high = self._take()
        if high == "\\":
            high = self._escaped(self._take())
        if high < low:
            raise PatternError("has a range whose end is before its beginning")
        return lambda character: low <= character <= high

    def _repeated(self, part: _Part) -> _Part:
        bounds = self._bounds()
        if bounds is None:
            return part
        self._taken("?")  # lazy or not: whether something is found doesn't depend on it
        if self._peek() in ("*", "+", "?") and self._peek():
            raise PatternError("has a repetition of a repetition")
        if isinstance(part, _Look):
            raise PatternError("has a repetition of nothing")
        return _Repeat(part, *bounds)

    def _bounds(self) -> tuple[int, int | None] | None:
        for symbol, bounds in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self._taken(symbol):
                return bounds
        end = self._pattern.find("}", self._position)
        if self._peek() != "{" or end < 0:
            return None
        least, comma, most = self._pattern[self._position + 1 : end].partition(",")
        is_count = (least.isdecimal() or (comma and not least)) and (most.isdecimal() or not most)
        if not is_count or not (least or most):
            return None  # as in Python, a brace that counts nothing is a character
        self._position = end + 1
        lowest = int(least[:6] or 0)
        highest = int(most[:6]) if most else (None if comma else lowest)
        if max(lowest, highest or 0) > _MAX_REPEATS or (highest is not None and highest < lowest):
            raise PatternError("has a repetition with counts that are not usable")
        return lowest, highest


@dataclass(slots=True)
class _Instruction:
    """One instruction: a character to match or a place to hold, then on to `targets`."""

    part: _One | _Look | None
    targets: tuple[int, ...]


class Pattern:
    """A pattern, ready to be searched for. Raises PatternError."""

    def __init__(self, pattern: str) -> None:
        if len(pattern) > MAX_PATTERN_CHARACTERS:
            raise PatternError(f"is longer than {MAX_PATTERN_CHARACTERS} characters")
        self._ignores_case = pattern.startswith("(?i)")
        part = _PatternReader(pattern.removeprefix("(?i)")).whole()
        self._program: list[_Instruction] = []
        self._write(part)
        self._end = len(self._program)
        self._steps_left = MAX_STEPS

    def found_in(self, text: str) -> bool:
        """Whether the pattern matches somewhere in the first MAX_TEXT_CHARACTERS of `text`.

        Raises PatternError when all searches of this object together have taken MAX_STEPS.
        """
        text = text[:MAX_TEXT_CHARACTERS]
        current: Iterable[int] = ()
        for position in range(len(text) + 1):
            waiting = self._waiting([*current, 0], text, position)
            if waiting is None:
                return True
            if position < len(text):
                current = self._after(waiting, text[position])
        return False

    def _waiting(self, pending: list[int], text: str, position: int) -> list[int] | None:
        """The instructions that wait for a character, reached from `pending`; None: the end was reached."""
        seen: set[int] = set()
        waiting: list[int] = []
        while pending:
            number = pending.pop()
            if number == self._end:
                return None
            if number in seen:
                continue
            seen.add(number)
            instruction = self._program[number]
            if isinstance(instruction.part, _One):
                waiting.append(number)
            elif instruction.part is None or instruction.part.holds(text, position):
                pending += instruction.targets
        self._steps_left -= len(seen)
        if self._steps_left < 0:
            raise PatternError(f"takes more than {MAX_STEPS:,} steps")
        return waiting

    def _after(self, waiting: Sequence[int], character: str) -> set[int]:
        variants = {character, character.lower(), character.upper()} if self._ignores_case else {character}
        reached: set[int] = set()
        for number in waiting:
            instruction = self._program[number]
            if isinstance(instruction.part, _One) and any(map(instruction.part.matches, variants)):
                reached.update(instruction.targets)
        return reached

    def _add(self, part: _One | _Look | None, targets: tuple[int, ...] = ()) -> int:
        if len(self._program) >= MAX_INSTRUCTIONS:
            raise PatternError("is too long with its repetitions written out")
        self._program.append(_Instruction(part, targets))
        return len(self._program) - 1

    def _write(self, part: _Part) -> None:
        """Append the instructions of `part`; they end where the next ones begin."""
        match part:
            case _One() | _Look():
                number = self._add(part)
                self._program[number].targets = (number + 1,)
            case _Sequence():
                for member in part.parts:
                    self._write(member)
            case _Choice():
                self._write_choice(part.parts)
            case _Repeat():
                self._write_repeat(part)

    def _write_choice(self, parts: Sequence[_Part]) -> None:
        fork = self._add(None)
        starts: list[int] = []
        jumps: list[int] = []
        for member in parts:
            starts.append(len(self._program))
            self._write(member)
            jumps.append(self._add(None))
        self._program[fork].targets = tuple(starts)
        for jump in jumps:
            self._program[jump].targets = (len(self._program),)

    def _write_repeat(self, repeat: _Repeat) -> None:
        for _ in range(repeat.least):
            self._write(repeat.part)
        if repeat.most is None:
            fork = self._add(None)
            self._write(repeat.part)
            self._add(None, (fork,))
            self._program[fork].targets = (fork + 1, len(self._program))
            return
        forks: list[int] = []
        for _ in range(repeat.most - repeat.least):
            forks.append(self._add(None))
            self._write(repeat.part)
        for fork in forks:
            self._program[fork].targets = (fork + 1, len(self._program))
