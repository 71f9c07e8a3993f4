"""Locator commands: `get_by_role("row").filter(has_text="INV-7").first` read into a small frozen tree.

Nothing is ever evaluated. The tree is all that the executor's builder needs:

* `LocatorCommand.steps` are applied from left to right, beginning at the page (the root of a nested
  LocatorCommand is the page, too);
* `Call`: call the method `method` of what the steps before gave, with `arguments` and `options`;
* `Property`: take the attribute `name` (`first`, `last`, `content_frame`, `owner`, `main_frame`);
* `FrameAt`: `page.frames[index]`;
* arguments are `str`, `int`, `bool`, `None`, `Regex` (build with `.compiled()`) or a nested `LocatorCommand`.

The first positional argument is positional in the tree even when the command gave it by its keyword; all other
arguments are in `options`. Method and option names are Playwright's Python names and can only be those of the
tables below, so a builder may use `getattr`. A whole command always ends in a locator, never in a frame.
"""

import ast
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from automation.placeholders import NO_VALUES, lookup
from automation.problems import LanguageError, listed, nearest, shortened
from automation.python_source import Source, SourceError, parse

MAX_STEPS = 50
MAX_NESTING = 5
MAX_REGEX_CHARACTERS = 500
_MAX_INTEGER = 2**31 - 1

Finder = Literal[
    "get_by_role",
    "get_by_text",
    "get_by_label",
    "get_by_placeholder",
    "get_by_alt_text",
    "get_by_title",
    "get_by_test_id",
    "locator",
]
Method = Literal[Finder, "frame_locator", "frame", "nth", "and_", "or_", "filter", "describe"]
PropertyName = Literal["first", "last", "content_frame", "owner", "main_frame"]


class LocatorError(LanguageError):
    """The command is outside the grammar. `column`: 1-based position in the command as given, or None."""

    def __init__(self, message: str, column: int | None = None) -> None:
        super().__init__(message if column is None else f"{message} (at character {column})")
        self.message = message
        self.column = column


@dataclass(frozen=True, slots=True)
class Regex:
    """A regular expression for the browser. `flags` are those of Python's `re` (I, M, S)."""

    pattern: str
    flags: int = 0

    def compiled(self) -> re.Pattern[str]:
        """The object that Playwright takes. It is sent to the browser; never match with it in this process."""
        # What Python may come to mean by "[[" or "&&" in a set is no concern of a browser.
        with warnings.catch_warnings(action="ignore", category=FutureWarning):
            return re.compile(self.pattern, self.flags)


@dataclass(frozen=True, slots=True)
class Call:
    """One method call. `options` are its keyword arguments in the order of the command."""

    method: Method
    arguments: tuple["Argument", ...] = ()
    options: tuple[tuple[str, "Argument"], ...] = ()


@dataclass(frozen=True, slots=True)
class Property:
    """One attribute without parentheses."""

    name: PropertyName


@dataclass(frozen=True, slots=True)
class FrameAt:
    """`frames[index]`, the frame at this position of the page; negative counts from the end."""

    index: int


@dataclass(frozen=True, slots=True)
class LocatorCommand:
    """A whole command, or one given as an argument (`has=page.get_by_text("Paid")`). Never empty."""

    steps: tuple["Step", ...]


Step = Call | Property | FrameAt
Argument = str | int | bool | None | Regex | LocatorCommand

_ArgumentKind = Literal["string", "text", "bool", "int", "locator", "string or locator"]


@dataclass(frozen=True, slots=True)
class _Signature:
    """What a method takes: the kind of its first argument, the names that it may be given by, its options."""

    first: _ArgumentKind | None
    names: tuple[str, ...] = ()
    options: Mapping[str, _ArgumentKind] = field(default_factory=dict[str, _ArgumentKind])


_EXACT: Mapping[str, _ArgumentKind] = {"exact": "bool"}
_HAS: Mapping[str, _ArgumentKind] = {
    "has_text": "text",
    "has_not_text": "text",
    "has": "locator",
    "has_not": "locator",
}
_ROLE: Mapping[str, _ArgumentKind] = {
    "name": "text",
    "description": "text",
    "exact": "bool",
    "checked": "bool",
    "disabled": "bool",
    "expanded": "bool",
    "include_hidden": "bool",
    "pressed": "bool",
    "selected": "bool",
    "level": "int",
}
_SIGNATURES: Mapping[Method, _Signature] = {
    "get_by_role": _Signature("string", ("role",), _ROLE),
    "get_by_text": _Signature("text", ("text",), _EXACT),
    "get_by_label": _Signature("text", ("text",), _EXACT),
    "get_by_placeholder": _Signature("text", ("text",), _EXACT),
    "get_by_alt_text": _Signature("text", ("text",), _EXACT),
    "get_by_title": _Signature("text", ("text",), _EXACT),
    "get_by_test_id": _Signature("text", ("test_id",)),
    "locator": _Signature("string or locator", ("selector", "selector_or_locator"), _HAS),
    "frame_locator": _Signature("string", ("selector",)),
    "frame": _Signature("string", ("name",), {"url": "text"}),
    "nth": _Signature("int", ("index",)),
    "and_": _Signature("locator", ("locator",)),
    "or_": _Signature("locator", ("locator",)),
    "filter": _Signature(None, (), {**_HAS, "visible": "bool"}),
    "describe": _Signature("string", ("description",)),
}
_FINDERS = get_args(Finder)

# What may follow what. `page` is the root, `frame` a Frame of the page, `frame locator` what frame_locator and
# content_frame give.
_State = Literal["page", "frame", "frame locator", "locator"]
_ALLOWED: Mapping[_State, frozenset[str]] = {
    "page": frozenset({*_FINDERS, "frame_locator", "main_frame", "frame", "frames"}),
    "frame": frozenset(_FINDERS),
    "frame locator": frozenset({*_FINDERS, "frame_locator", "nth", "first", "last", "owner"}),
    "locator": frozenset(
        {*_FINDERS, "frame_locator", "nth", "first", "last", "content_frame", "and_", "or_", "filter", "describe"}
    ),
}
_PROPERTIES = frozenset(get_args(PropertyName))
_FLAGS = {
    "I": re.IGNORECASE,
    "IGNORECASE": re.IGNORECASE,
    "M": re.MULTILINE,
    "MULTILINE": re.MULTILINE,
    "S": re.DOTALL,
    "DOTALL": re.DOTALL,
}


def parse_locator(
    command: str,
    *,
    input: Mapping[str, Any] = NO_VALUES,
    generated: Mapping[str, Any] = NO_VALUES,
    secure: Mapping[str, Sequence[str]] = NO_VALUES,
) -> LocatorCommand | None:
    """The tree of `command`, or None when it is blank.

    The command is given with its variables still as placeholders (but bound to its loops): a value inside a
    string literal becomes data of that literal, a value outside is read as part of the command.
    Raises LocatorError for everything outside the grammar.
    """
    # A surrounding pair of quotes is how some editors store a command.
    text = command.strip().strip('"').strip()
    if not text:
        return None
    offset = command.find(text)
    try:
        source = parse(text, lookup(input=input, generated=generated, secure=secure))
        return _Reader(source).whole(source.tree)
    except SourceError as error:
        raise LocatorError(error.message, _shifted(error.column, offset, command)) from None
    except LocatorError as error:
        raise LocatorError(error.message, _shifted(error.column, offset, command)) from None


def _shifted(column: int | None, offset: int, command: str) -> int | None:
    # Python's own errors may point behind a line end that it adds by itself.
    return None if column is None else min(column + offset, len(command) + 1)


@dataclass(frozen=True, slots=True)
class _Link:
    """One link of the chain, before it is judged: `.name`, `.name(...)` or `.name[index]`."""

    name: str
    node: ast.expr
    call: ast.Call | None = None
    index: ast.expr | None = None


class _Reader:
    def __init__(self, source: Source) -> None:
        self._source = source
        self._steps = 0

    def whole(self, tree: ast.expr) -> LocatorCommand:
        links = self._links(tree)
        if links[0].name == "page" and links[0].call is None and links[0].index is None:
            links = links[1:]
        return self._command(links, tree, nesting=0)

    def _error(self, node: ast.AST, message: str) -> LocatorError:
        return LocatorError(message, self._source.column_of(node))

    def _links(self, tree: ast.expr) -> list[_Link]:
        """The chain from left to right; unrolled in a loop, since a hostile one may be a thousand links long."""
        links: list[_Link] = []
        node: ast.expr | None = tree
        while node is not None:
            call = index = None
            if isinstance(node, ast.Call):
                call, node = node, node.func
            elif isinstance(node, ast.Subscript):
                index, node = node.slice, node.value
            if isinstance(node, ast.Attribute):
                links.append(_Link(node.attr, node, call, index))
                node = node.value
            elif isinstance(node, ast.Name):
                links.append(_Link(node.id, node, call, index))
                node = None
            else:
                raise self._error(node, f"{_described(node)} is not part of a locator command")
            if len(links) > MAX_STEPS + 2:
                raise LocatorError(f"has more than {MAX_STEPS} steps")
        return links[::-1]

    def _command(self, links: list[_Link], tree: ast.expr, *, nesting: int) -> LocatorCommand:
        if nesting > MAX_NESTING:
            raise self._error(tree, f"has locators nested more than {MAX_NESTING} deep")
        state: _State = "page"
        steps: list[Step] = []
        for link in links:
            self._steps += 1
            if self._steps > MAX_STEPS:
                raise self._error(link.node, f"has more than {MAX_STEPS} steps")
            if link.name not in _ALLOWED[state]:
                raise self._error(link.node, _refused_name(link.name, state))
            step, state = self._step(link, state, nesting)
            steps.append(step)
        if state != "locator":
            raise self._error(tree, 'must end in a locator, for example get_by_role("button", name="Save")')
        return LocatorCommand(tuple(steps))

    def _step(self, link: _Link, state: _State, nesting: int) -> tuple[Step, _State]:
        name = link.name
        if name == "frames":
            if link.index is None:
                raise self._error(link.node, "frames needs a position: frames[1]")
            return FrameAt(self._integer(link.index)), "frame"
        if link.index is not None:
            raise self._error(link.node, f"{name} takes no brackets; use .nth(…)")
        if name in _PROPERTIES:
            if link.call is not None:
                raise self._error(link.node, f"{name} is written without parentheses")
            return Property(_as_property(name)), _after_property(name, state)
        if link.call is None:
            raise self._error(link.node, f"{name} needs parentheses")
        method = _as_method(name)
        return self._call(method, link.call, nesting), _after_call(method, state)

    def _call(self, method: Method, call: ast.Call, nesting: int) -> Call:
        signature = _SIGNATURES[method]
        arguments = [self._argument(signature.first, node, nesting) for node in call.args if signature.first]
        if len(call.args) > 1 or len(arguments) < len(call.args):
            raise self._error(call.args[-1], f"{method} takes this only by name: {method}(…, name=value)")
        options: dict[str, Argument] = {}
        for keyword in call.keywords:
            name = keyword.arg
            if name in signature.names and signature.first and not arguments:
                arguments.append(self._argument(signature.first, keyword.value, nesting))
            elif name is None or name not in signature.options or name in options:
                raise self._error(keyword, _refused_option(method, name, signature))
            else:
                options[name] = self._argument(signature.options[name], keyword.value, nesting)
        if signature.first and not arguments:
            raise self._error(call, f"{method} needs {_ARTICLES[signature.first]}")
        return Call(method, tuple(arguments), tuple(options.items()))

    def _argument(self, kind: _ArgumentKind, node: ast.expr, nesting: int) -> Argument:
        match kind, node:
            case (("string" | "text" | "string or locator"), ast.Constant(value=str(text))):
                return text
            case "text", ast.Call():
                return self._regex(node)
            case "bool", ast.Constant(value=None):
                return None
            case "bool", ast.Constant(value=bool(truth)):
                return truth
            case "int", _:
                return self._integer(node)
            case (("locator" | "string or locator"), (ast.Call() | ast.Attribute() | ast.Subscript())):
                links = self._links(node)
                if links[0].name != "page" or links[0].call or links[0].index or len(links) == 1:
                    raise self._error(node, 'a nested locator begins with page., as in page.get_by_text("Paid")')
                return self._command(links[1:], node, nesting=nesting + 1)
            case _:
                raise self._error(node, f"{_described(node)} cannot stand here; expected {_ARTICLES[kind]}")

    def _integer(self, node: ast.expr) -> int:
        sign = 1
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            sign, node = -1, node.operand
        match node:
            case ast.Constant(value=int(value)) if not isinstance(value, bool) and value <= _MAX_INTEGER:
                return sign * value
            case _:
                raise self._error(node, f"{_described(node)} cannot stand here; expected a whole number")

    def _regex(self, call: ast.Call) -> Regex:
        match call:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="re"), attr="compile"),
                args=[ast.Constant(value=str(pattern)), *rest],
                keywords=[],
            ) if len(rest) <= 1:
                if len(pattern) > MAX_REGEX_CHARACTERS:
                    raise self._error(call, f"has a pattern of more than {MAX_REGEX_CHARACTERS} characters")
                regex = Regex(pattern, self._flags(rest[0]) if rest else 0)
            case _:
                raise self._error(call, 'only re.compile("pattern", re.I) can stand here')
        try:
            regex.compiled()
        except (re.error, RecursionError, OverflowError):
            raise self._error(call, "has a pattern that is no regular expression") from None
        return regex

    def _flags(self, node: ast.expr) -> int:
        flags = 0
        parts = [node]
        while parts:
            match parts.pop():
                case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                    parts += [left, right]
                case ast.Attribute(value=ast.Name(id="re"), attr=name) if name in _FLAGS:
                    flags |= int(_FLAGS[name])
                case other:
                    raise self._error(other, "only the flags re.I, re.M and re.S, joined by |, can stand here")
        return flags


_ARTICLES: Mapping[_ArgumentKind, str] = {
    "string": "a text in quotes",
    "text": "a text in quotes or re.compile(…)",
    "bool": "True, False or None",
    "int": "a whole number",
    "locator": 'a nested locator such as page.get_by_text("Paid")',
    "string or locator": "a selector in quotes",
}


def _after_property(name: str, state: _State) -> _State:
    match name:
        case "main_frame":
            return "frame"
        case "content_frame":
            return "frame locator"
        case "owner":
            return "locator"
        case _:
            return state


def _after_call(method: Method, state: _State) -> _State:
    match method:
        case "frame":
            return "frame"
        case "frame_locator":
            return "frame locator"
        case "nth":
            return state
        case _:
            return "locator"


def _as_method(name: str) -> Method:
    return next(method for method in _SIGNATURES if method == name)


def _as_property(name: str) -> PropertyName:
    names: tuple[PropertyName, ...] = get_args(PropertyName)
    return next(known for known in names if known == name)


def _refused_name(name: str, state: _State) -> str:
    where = "at the beginning" if state == "page" else f"after a {state}"
    suggestion = nearest(name, _ALLOWED[state])
    hint = f"; did you mean “{suggestion}”?" if suggestion else ""
    return f"“{shortened(name, 40)}” cannot stand {where}{hint}"


def _refused_option(method: str, name: str | None, signature: _Signature) -> str:
    if name is None:
        return f"{method} takes no ** arguments"
    known = listed([*signature.options]) or "no others"
    return f"{method} takes no (further) “{shortened(name, 40)}”; it knows {known}"


def _described(node: ast.AST) -> str:
    """What a node is, in the words of someone who writes commands."""
    match node:
        case ast.Constant(value=str()):
            return "a text"
        case ast.Constant(value=(int() | float() | None)):
            return "this constant"
        case ast.JoinedStr():
            return "an f-string"
        case ast.Set() | ast.Dict():
            return "a placeholder without a value, or braces,"
        case ast.BoolOp() | ast.BinOp() | ast.UnaryOp() | ast.Compare():
            return "an operator"
        case ast.Name(id=name):
            return f"“{shortened(name, 40)}”"
        case ast.Call() | ast.Attribute() | ast.Subscript():
            return "this expression"
        case _:
            return "this"
