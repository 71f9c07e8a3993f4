"""The evaluator: the small part of Python that conditions and expressions may use, walked with counted bounds.

Nothing is ever evaluated by Python itself: `Evaluation` knows each kind of node that is allowed and refuses all
others. Work is counted before it is done (never timed), so a hostile expression ends in an ExpressionError after a
bounded number of steps and a bounded amount of memory.
"""

import ast
import math
import operator
import re
import string
from collections import ChainMap
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, MutableMapping, Sized
from contextlib import contextmanager
from typing import Any

from automation.problems import LanguageError, shortened
from automation.python_source import Source

MAX_NODES = 200
MAX_OPERATIONS = 10_000
# Characters of a text, items of a list, bytes of a final result.
MAX_SIZE = 64 * 1024
# Python writes no whole number of more than 4,300 digits; this is just below.
_MAX_BITS = 14_000
# What C does in one go (comparing, searching, copying) is cheap per item or character, but not free.
_ITEMS_PER_OPERATION = 8
_CHARACTERS_PER_OPERATION = 64

PlainValue = None | bool | int | float | str | list["PlainValue"] | dict[str, "PlainValue"]


class ExpressionError(LanguageError):
    """The text is outside the language, or its evaluation failed. `column`: 1-based position, or None."""

    def __init__(self, message: str, column: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.column = column


_Scope = MutableMapping[str, Any]

_BINARY: Mapping[type[ast.operator], tuple[str, Callable[[Any, Any], Any]]] = {
    ast.Add: ("+", operator.add),
    ast.Sub: ("-", operator.sub),
    ast.Mult: ("*", operator.mul),
    ast.Div: ("/", operator.truediv),
    ast.FloorDiv: ("//", operator.floordiv),
    ast.Mod: ("%", operator.mod),
    ast.Pow: ("**", operator.pow),
}
_COMPARISONS: Mapping[type[ast.cmpop], tuple[str, Callable[[Any, Any], bool]]] = {
    ast.Eq: ("==", operator.eq),
    ast.NotEq: ("!=", operator.ne),
    ast.Lt: ("<", operator.lt),
    ast.LtE: ("<=", operator.le),
    ast.Gt: (">", operator.gt),
    ast.GtE: (">=", operator.ge),
    ast.Is: ("is", operator.is_),
    ast.IsNot: ("is not", operator.is_not),
    ast.In: ("in", lambda item, container: item in container),
    ast.NotIn: ("not in", lambda item, container: item not in container),
}
_UNARY: Mapping[type[ast.unaryop], tuple[str, Callable[[Any], Any]]] = {
    ast.UAdd: ("+", operator.pos),
    ast.USub: ("-", operator.neg),
    ast.Not: ("not", operator.not_),
}
_OPERATORS = frozenset({*_BINARY, *_UNARY})
_FUNCTION_NAMES = """
len int float str bool abs min max sum any all sorted round range list set tuple dict enumerate zip
"""
FUNCTIONS = frozenset(_FUNCTION_NAMES.split())
_KEYWORDS: Mapping[str, frozenset[str]] = {
    "sorted": frozenset({"reverse"}),
    "min": frozenset({"default"}),
    "max": frozenset({"default"}),
    "sum": frozenset({"start"}),
    "enumerate": frozenset({"start"}),
    "int": frozenset({"base"}),
    "round": frozenset({"ndigits"}),
}
_TEXT_METHOD_NAMES = """
lower upper strip lstrip rstrip startswith endswith replace split join find count index isdigit isalpha isalnum
isnumeric title capitalize zfill format
"""
_TEXT_METHODS = frozenset(_TEXT_METHOD_NAMES.split())
_METHODS: Mapping[type, frozenset[str]] = {
    str: _TEXT_METHODS,
    list: frozenset({"count", "index"}),
    tuple: frozenset({"count", "index"}),
    dict: frozenset({"get", "keys", "values", "items"}),
}
METHODS = frozenset().union(*_METHODS.values())
# `%` on a text: only conversions whose result is as long as the value, give or take a sign.
_PERCENT = re.compile(r"%(?:%|(?:\(\w+\))?(?:\.[0-9])?[sdifr])|(?P<other>%)")


@contextmanager
def _told_without_values() -> Generator[None]:
    """Python's own errors as ExpressionErrors; their texts may repeat a value, which may be someone's data."""
    try:
        yield
    except ZeroDivisionError:
        raise ExpressionError("divides by zero") from None
    except IndexError:
        raise ExpressionError("uses a position that the list or text does not have") from None
    except KeyError:
        raise ExpressionError("uses a key that the object does not have") from None
    except (OverflowError, MemoryError):
        raise ExpressionError("gives a number that is too large") from None
    except RecursionError:
        raise ExpressionError("is nested too deeply") from None
    except ValueError:
        message = "has a value that does not fit where it is used, such as a text that is no number"
        raise ExpressionError(message) from None
    except (TypeError, AttributeError):
        raise ExpressionError("uses values together whose kinds do not go together") from None


class Evaluation:
    """One evaluation: the allowed nodes, the names in scope, and the operations that are left."""

    def __init__(self, source: Source, names: Mapping[str, Any], *, missing_is_none: bool = False) -> None:
        self._source = source
        self._names = names
        self._missing_is_none = missing_is_none
        self._left = MAX_OPERATIONS
        self._visit: Mapping[type[ast.expr], Callable[[Any, _Scope], Any]] = {
            ast.Constant: self._constant,
            ast.Name: self._name,
            ast.List: lambda node, scope: [self._value(item, scope) for item in node.elts],
            ast.Tuple: lambda node, scope: tuple(self._value(item, scope) for item in node.elts),
            ast.Set: lambda node, scope: {self._hashable(item, scope) for item in node.elts},
            ast.Dict: self._dict,
            ast.JoinedStr: self._f_string,
            ast.BoolOp: self._bool_operation,
            ast.BinOp: self._binary,
            ast.UnaryOp: self._unary,
            ast.Compare: self._compare,
            ast.IfExp: self._conditional,
            ast.Subscript: self._subscript,
            ast.Attribute: self._attribute,
            ast.Call: self._call,
            ast.ListComp: lambda node, scope: list(self._passes(node.generators, node.elt, scope)),
            ast.SetComp: lambda node, scope: set(self._passes(node.generators, node.elt, scope)),
            ast.GeneratorExp: lambda node, scope: self._passes(node.generators, node.elt, scope),
            ast.DictComp: self._dict_comprehension,
        }

    def result(self) -> Any:
        """The value of the whole tree; a generator is still to be walked. Every failure is an ExpressionError."""
        self.check()
        with _told_without_values():
            return self._value(self._source.tree, ChainMap({}, dict(self._names)))

    def plain_result(self) -> PlainValue:
        """The value of the whole tree as JSON data of at most MAX_SIZE bytes. Raises ExpressionError."""
        value = self.result()
        with _told_without_values():
            plain, room = self._plain(value, MAX_SIZE)
        if room < 0:
            raise self._too_large()
        return plain

    def check(self) -> None:
        """Refuse what is too long or outside the language before anything is evaluated."""
        for count, node in enumerate(ast.walk(self._source.tree), start=1):
            if count > MAX_NODES:
                raise ExpressionError(f"has more than {MAX_NODES} parts")
            is_value = isinstance(node, ast.expr) and not isinstance(node, ast.Slice | ast.FormattedValue)
            if is_value and type(node) not in self._visit:
                raise self._refused(node, f"{_NODE_NAMES.get(type(node), 'this')} cannot be used here")
            if isinstance(node, ast.Attribute) and node.attr.startswith("_"):
                raise self._refused(node, f"“.{shortened(node.attr, 40)}” cannot be used: it begins with “_”")
            if isinstance(node, ast.BinOp | ast.UnaryOp) and type(node.op) not in _OPERATORS:
                raise self._refused(node, "this operator cannot be used here")

    def _plain(self, value: Any, room: int) -> tuple[PlainValue, int]:
        """`value` as JSON data and the room that it leaves; stops as soon as there is none."""
        match value:
            case None | bool():
                return value, room - 4
            case int():
                return value, room - value.bit_length() // 3 - 1
            case float():
                if not math.isfinite(value):
                    raise ExpressionError("gives a number that is not finite")
                return value, room - 8
            case str():
                try:
                    size = len(value.encode())
                except UnicodeEncodeError:
                    size = -1
                if size < 0 or "\0" in value:
                    raise ExpressionError("gives a text with characters that cannot be stored")
                return value, room - size
            case dict():
                members: dict[str, PlainValue] = {}
                for key, item in value.items():
                    if room < 0:
                        break
                    if not isinstance(key, str):
                        raise ExpressionError("gives an object with keys that are not text")
                    _, room = self._plain(key, room)
                    members[key], room = self._plain(item, room)
                return members, room
            case set():
                # A set has no order of its own; one result must not differ from the next.
                return self._plain(sorted(value, key=_place_in_set), room)
            case _ if isinstance(value, Iterable):
                items: list[PlainValue] = []
                for item in self._each(value):
                    plain, room = self._plain(item, room - 1)
                    items.append(plain)
                    if room < 0:
                        break
                return items, room
            case _:
                raise ExpressionError("gives something that is no plain value")

    # Counting

    def _charge(self, operations: int = 1) -> None:
        self._left -= operations
        if self._left < 0:
            raise ExpressionError(f"takes more than {MAX_OPERATIONS:,} operations")

    def _too_large(self) -> ExpressionError:
        return ExpressionError(f"gives more than {MAX_SIZE // 1024} KiB")

    def _fits(self, size: int) -> None:
        """Refuse a text or list of `size` before it exists, and count the work of making it."""
        if size > MAX_SIZE:
            raise self._too_large()
        self._charge(size // _CHARACTERS_PER_OPERATION)

    def _walked(self, value: Any) -> None:
        """Count what Python will do when it walks all of `value`: comparing, hashing, writing it as text."""
        pending = [value]
        seen = 0
        while pending:
            current = pending.pop()
            seen += 1
            if isinstance(current, str):
                seen += len(current) // _CHARACTERS_PER_OPERATION
            elif isinstance(current, list | tuple | set):
                pending.extend(current)
            elif isinstance(current, dict):
                pending.extend(current)
                pending.extend(current.values())
            if seen > self._left * _ITEMS_PER_OPERATION:
                self._charge(self._left + 1)
        self._charge(seen // _ITEMS_PER_OPERATION)

    def _text_size(self, value: Any) -> int:
        """At least the length of `str(value)`, counted without making it."""
        if isinstance(value, str):
            return len(value)
        self._walked(value)
        size = 0
        pending = [value]
        while pending and size <= MAX_SIZE:
            current = pending.pop()
            size += 2
            if isinstance(current, str):
                size += 10 * len(current)  # repr may write one character as \U0001f600
            elif isinstance(current, list | tuple | set):
                pending.extend(current)
            elif isinstance(current, dict):
                pending.extend(current)
                pending.extend(current.values())
            else:
                size += max(24, current.bit_length() // 3 + 2) if isinstance(current, int) else 64
        return size

    def _each(self, value: Any) -> Iterator[Any]:
        """The items of `value`, one operation each."""
        for item in value:
            self._charge()
            yield item

    def _items(self, value: Any) -> list[Any]:
        """All items of `value` in a list of at most MAX_SIZE."""
        if isinstance(value, Sized) and not isinstance(value, str):
            if len(value) > MAX_SIZE:
                raise self._too_large()
            self._charge(len(value) // _ITEMS_PER_OPERATION)
            return list(value) if isinstance(value, Iterable) else []
        return list(self._each(value))

    # Nodes

    def _refused(self, node: ast.AST, message: str) -> ExpressionError:
        return ExpressionError(message, self._source.column_of(node))

    def _value(self, node: ast.expr, scope: _Scope) -> Any:
        self._charge()
        visit = self._visit.get(type(node))
        if visit is None:
            raise self._refused(node, "this cannot be used here")
        return visit(node, scope)

    def _hashable(self, node: ast.expr, scope: _Scope) -> Any:
        value = self._value(node, scope)
        self._walked(value)
        return value

    def _constant(self, node: ast.Constant, _: _Scope) -> Any:
        if node.value is None or isinstance(node.value, str | bool | int | float):
            return self._number(node.value) if isinstance(node.value, int) else node.value
        raise self._refused(node, "only texts, numbers, True, False and None can be written here")

    def _name(self, node: ast.Name, scope: _Scope) -> Any:
        if node.id not in scope:
            raise self._refused(node, f"there is no variable “{shortened(node.id, 40)}”")
        return scope[node.id]

    def _dict(self, node: ast.Dict, scope: _Scope) -> dict[Any, Any]:
        members: dict[Any, Any] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                raise self._refused(node, "** cannot be used here")
            members[self._hashable(key, scope)] = self._value(value, scope)
        return members

    def _f_string(self, node: ast.JoinedStr, scope: _Scope) -> str:
        parts: list[str] = []
        size = 0
        for piece in node.values:
            if isinstance(piece, ast.FormattedValue):
                if piece.format_spec is not None or piece.conversion not in (-1, ord("s")):
                    raise self._refused(node, "f-strings cannot have formats here")
                value = self._value(piece.value, scope)
            else:
                value = self._value(piece, scope)
            size += self._text_size(value)
            self._fits(size)
            parts.append(str(value))
        return "".join(parts)

    def _bool_operation(self, node: ast.BoolOp, scope: _Scope) -> Any:
        stops_at = isinstance(node.op, ast.Or)
        value: Any = None
        for operand in node.values:
            value = self._value(operand, scope)
            if bool(value) is stops_at:
                return value
        return value

    def _binary(self, node: ast.BinOp, scope: _Scope) -> Any:
        symbol, operation = _BINARY[type(node.op)]
        left, right = self._value(node.left, scope), self._value(node.right, scope)
        self._allow_binary(node, symbol, left, right)
        return self._number(operation(left, right))

    def _allow_binary(self, node: ast.BinOp, symbol: str, left: Any, right: Any) -> None:
        match symbol, left, right:
            case "+", (str() | list() | tuple()), (str() | list() | tuple()):
                self._fits(len(left) + len(right))
            case "*", (str() | list() | tuple()), int():
                self._fits(len(left) * max(right, 0))
            case "*", int(), (str() | list() | tuple()):
                self._fits(len(right) * max(left, 0))
            case "*", int(), int():
                self._bits(left.bit_length() + right.bit_length())
            case "**", int(), int() if right > 0:
                self._bits(left.bit_length() * right)
            case "%", str(), _:
                self._allow_percent(node, left, right)
            case "-", set(), set():
                self._walked(left)
            case _, (int() | float()), (int() | float()):
                pass
            case _:
                kinds = f"{_kind(left)} and {_kind(right)}"
                raise self._refused(node, f"“{symbol}” cannot be used on {kinds}")

    def _allow_percent(self, node: ast.BinOp, template: str, values: Any) -> None:
        conversions = list(_PERCENT.finditer(template))
        if any(match["other"] for match in conversions):
            raise self._refused(node, "only %s, %d, %f and %r can be used in a text before “%”")
        self._fits(len(template) + len(conversions) * (self._text_size(values) + 320))

    def _bits(self, bits: int) -> None:
        if bits > _MAX_BITS:
            raise ExpressionError("gives a number that is too large")
        self._charge(bits // 1_000)

    def _number(self, value: Any) -> Any:
        """`value`, unless it is a number outside what can be written and stored."""
        if isinstance(value, complex):
            raise ExpressionError("gives a complex number")
        if isinstance(value, int) and value.bit_length() > _MAX_BITS:
            raise ExpressionError("gives a number that is too large")
        return value

    def _unary(self, node: ast.UnaryOp, scope: _Scope) -> Any:
        _, operation = _UNARY[type(node.op)]
        return operation(self._value(node.operand, scope))

    def _compare(self, node: ast.Compare, scope: _Scope) -> bool:
        left = self._value(node.left, scope)
        for comparison, right_node in zip(node.ops, node.comparators, strict=True):
            right = self._value(right_node, scope)
            symbol, operation = _COMPARISONS[type(comparison)]
            self._count_comparison(symbol, left, right)
            if not operation(left, right):
                return False
            left = right
        return True

    def _count_comparison(self, symbol: str, left: Any, right: Any) -> None:
        if symbol in ("is", "is not"):
            return
        if symbol in ("in", "not in"):
            if isinstance(right, range):
                if not isinstance(left, int):
                    raise ExpressionError("looks for something that is no whole number in a range")
                return
            if isinstance(right, dict | set):
                self._walked(left)
                return
            if not isinstance(right, str | list | tuple):
                raise ExpressionError(f"“{symbol}” cannot be used on {_kind(right)}")
            self._walked(right)
            self._walked(left)
        elif isinstance(left, list | tuple | dict | set | str) and type(left) is type(right):
            # Python compares the common part at most.
            self._walked(min(left, right, key=len))
        elif isinstance(left, Iterator) or isinstance(right, Iterator):
            raise ExpressionError(f"“{symbol}” cannot be used on {_kind(left)} and {_kind(right)}")

    def _conditional(self, node: ast.IfExp, scope: _Scope) -> Any:
        return self._value(node.body if self._value(node.test, scope) else node.orelse, scope)

    def _subscript(self, node: ast.Subscript, scope: _Scope) -> Any:
        container = self._value(node.value, scope)
        if isinstance(node.slice, ast.Slice):
            bounds = (node.slice.lower, node.slice.upper, node.slice.step)
            part = slice(*(None if bound is None else self._value(bound, scope) for bound in bounds))
            if not isinstance(container, str | list | tuple | range):
                raise self._refused(node, f"a part of {_kind(container)} cannot be taken")
            self._fits(len(range(*part.indices(len(container)))))
            return container[part]
        key = self._value(node.slice, scope)
        if not isinstance(container, str | list | tuple | range | dict):
            raise self._refused(node, f"{_kind(container)} has no [ ]")
        if isinstance(container, dict):
            self._walked(key)
        return container[key]

    def _attribute(self, node: ast.Attribute, scope: _Scope) -> Any:
        container = self._value(node.value, scope)
        if isinstance(container, dict):
            if node.attr in container:
                return container[node.attr]
            if not self._missing_is_none:
                raise self._refused(node, f"the object has no “{shortened(node.attr, 40)}”")
            return None
        if self._missing_is_none and (container is None or isinstance(container, str | int | float | list)):
            return None
        raise self._refused(node, f"“.{shortened(node.attr, 40)}” cannot be used on {_kind(container)}")

    # Comprehensions

    def _passes(self, generators: list[ast.comprehension], element: ast.expr, scope: _Scope) -> Iterator[Any]:
        for inner in self._scopes(generators, scope):
            yield self._value(element, inner)

    def _dict_comprehension(self, node: ast.DictComp, scope: _Scope) -> dict[Any, Any]:
        return {
            self._hashable(node.key, inner): self._value(node.value, inner)
            for inner in self._scopes(node.generators, scope)
        }

    def _scopes(self, generators: list[ast.comprehension], scope: _Scope) -> Iterator[_Scope]:
        """The scope of each pass, with the targets of all `generators` set."""
        if not generators:
            yield scope
            return
        generator, *others = generators
        if generator.is_async:
            raise ExpressionError("async cannot be used here")
        inner = ChainMap[str, Any]({}, scope)
        for item in self._each(self._value(generator.iter, scope)):
            self._assign(generator.target, item, inner)
            if all(self._value(test, inner) for test in generator.ifs):
                yield from self._scopes(others, inner)

    def _assign(self, target: ast.expr, value: Any, scope: _Scope) -> None:
        match target:
            case ast.Name(id=name):
                scope[name] = value
            case ast.Tuple(elts=targets) | ast.List(elts=targets):
                items = self._items(value)
                if len(items) != len(targets):
                    raise self._refused(target, f"{len(items)} items cannot be taken apart into {len(targets)}")
                for part, item in zip(targets, items, strict=True):
                    self._assign(part, item, scope)
            case _:
                raise self._refused(target, "only names can stand between “for” and “in”")

    # Calls

    def _call(self, node: ast.Call, scope: _Scope) -> Any:
        match node.func:
            case ast.Name(id=name) if name in FUNCTIONS and name not in scope:
                arguments, keywords = self._arguments(node, scope)
                self._allow_keywords(node, name, keywords)
                return self._number(_FUNCTIONS[name](self, arguments, keywords))
            case ast.Attribute(value=owner_node, attr=name):
                owner = self._value(owner_node, scope)
                arguments, keywords = self._arguments(node, scope)
                return self._method(node, owner, name, arguments, keywords)
            case ast.Name(id=name):
                raise self._refused(node, f"“{shortened(name, 40)}” is no function that can be used here")
            case _:
                raise self._refused(node, "only functions and methods can be called")

    def _arguments(self, node: ast.Call, scope: _Scope) -> tuple[list[Any], dict[str, Any]]:
        keywords: dict[str, Any] = {}
        for keyword in node.keywords:
            if keyword.arg is None or keyword.arg in keywords:
                raise self._refused(node, "** and repeated names cannot be used here")
            keywords[keyword.arg] = self._value(keyword.value, scope)
        return [self._value(argument, scope) for argument in node.args], keywords

    def _allow_keywords(self, node: ast.Call, name: str, keywords: Mapping[str, Any]) -> None:
        known = _KEYWORDS.get(name, frozenset())
        if name != "dict" and not known.issuperset(keywords):
            raise self._refused(node, f"{name} cannot be called with these names")

    def _method(self, node: ast.Call, owner: Any, name: str, arguments: list[Any], keywords: dict[str, Any]) -> Any:
        if name not in _METHODS.get(type(owner), ()):
            raise self._refused(node, f"{_kind(owner)} has no method “{shortened(name, 40)}” here")
        if keywords and name != "format":
            raise self._refused(node, f"{name} cannot be called with names")
        if isinstance(owner, str):
            return self._text_method(node, owner, name, arguments, keywords)
        if name in ("count", "index"):
            self._walked(owner)
        for argument in arguments:
            self._walked(argument)
        result = getattr(owner, name)(*arguments)
        return result if name == "get" else self._items(result) if isinstance(owner, dict) else result

    def _text_method(self, node: ast.Call, text: str, name: str, arguments: list[Any], keywords: dict[str, Any]) -> Any:
        if name == "format":
            return self._format(node, text, arguments, keywords)
        if name == "join":
            parts = self._items(*arguments)
            self._fits(sum(len(part) + len(text) for part in parts))
            return text.join(parts)
        if not all(argument is None or isinstance(argument, str | int) for argument in arguments):
            raise self._refused(node, f"{name} takes texts and whole numbers")
        self._charge(len(text) // _CHARACTERS_PER_OPERATION)
        match name, arguments:
            case "replace", [str(old), str(new), *_]:
                self._fits(len(text) + (text.count(old) + 1) * max(len(new) - len(old), 0))
            case "zfill", [int(width)]:
                self._fits(max(width, len(text)))
            case (("strip" | "lstrip" | "rstrip"), [str(characters)]):
                self._charge(len(text) * len(characters) // _CHARACTERS_PER_OPERATION)
            case (("lower" | "upper" | "title" | "capitalize"), []):
                self._fits(3 * len(text))  # one character can become three: “ΐ”
            case "split", _:
                self._charge(len(text) // _ITEMS_PER_OPERATION)
            case _:
                pass
        return getattr(text, name)(*arguments)

    def _format(self, node: ast.Call, text: str, arguments: list[Any], keywords: dict[str, Any]) -> str:
        size = 0
        for literal, name, specification, conversion in string.Formatter().parse(text):
            size += len(literal)
            if name is None:
                continue
            if specification or conversion or not (name == "" or name.isdecimal() or name.isidentifier()):
                raise self._refused(node, "format takes only plain fields: {}, {0} or {name}")
            size += max(map(self._text_size, [*arguments, *keywords.values()]), default=0)
            self._fits(size)
        return text.format(*arguments, **keywords)

    # Functions: what each may do with its arguments, counted

    def length(self, arguments: list[Any]) -> int:
        (value,) = arguments
        if isinstance(value, Sized):
            return len(value)
        raise ExpressionError(f"{_kind(value)} has no length")

    def text(self, arguments: list[Any]) -> str:
        if not arguments:
            return ""
        (value,) = arguments
        if isinstance(value, Iterator):
            raise ExpressionError(f"str cannot be used on {_kind(value)}")
        self._fits(self._text_size(value))
        return str(value)

    def integer(self, arguments: list[Any], keywords: dict[str, Any]) -> int:
        for argument in arguments:
            self._walked(argument)
        return int(*arguments, **keywords)

    def number(self, arguments: list[Any]) -> float:
        return float(*arguments)

    def extreme(self, choose: Callable[..., Any], arguments: list[Any], keywords: dict[str, Any]) -> Any:
        items = self._comparable(arguments[0] if len(arguments) == 1 else arguments)
        return choose(items, **keywords)

    def _comparable(self, value: Any) -> list[Any]:
        items = self._items(value)
        self._walked(items)
        return items

    def total(self, arguments: list[Any], keywords: dict[str, Any]) -> Any:
        values, *start = arguments
        total: Any = 0
        for value in [start[0] if start else keywords.get("start", 0), *self._items(values)]:
            if not isinstance(value, int | float):
                raise ExpressionError(f"sum cannot be used on {_kind(value)}")
            total = self._number(total + value)
        return total

    def first_of(self, wanted: bool, arguments: list[Any]) -> bool:
        (values,) = arguments
        return any(bool(value) is wanted for value in self._each(values))

    def in_order(self, arguments: list[Any], keywords: dict[str, Any]) -> list[Any]:
        (values,) = arguments
        items = self._comparable(values)
        self._charge(len(items))  # sorting compares each item several times
        return sorted(items, **keywords)

    def rounded(self, arguments: list[Any], keywords: dict[str, Any]) -> Any:
        digits = arguments[1] if len(arguments) > 1 else keywords.get("ndigits")
        if digits is not None and (not isinstance(digits, int) or abs(digits) > 1_000):
            raise ExpressionError("round takes at most 1,000 digits")
        if not isinstance(arguments[0], int | float):
            raise ExpressionError(f"round cannot be used on {_kind(arguments[0])}")
        return round(*arguments, **keywords)

    def collected(self, collect: Callable[..., Any], arguments: list[Any]) -> Any:
        if not arguments:
            return collect()
        (values,) = arguments
        items = self._items(values)
        if collect is set:
            self._walked(items)
        return collect(items)

    def mapping(self, arguments: list[Any], keywords: dict[str, Any]) -> dict[Any, Any]:
        members: dict[Any, Any] = {}
        for source in arguments:
            pairs = source.items() if isinstance(source, dict) else self._each(source)
            for pair in pairs:
                key, value = self._items(pair)
                self._walked(key)
                members[key] = value
        return {**members, **keywords}

    def numbered(self, arguments: list[Any], keywords: dict[str, Any]) -> Iterator[tuple[int, Any]]:
        return enumerate(self._each(arguments[0]), *arguments[1:], **keywords)

    def zipped(self, arguments: list[Any]) -> Iterator[tuple[Any, ...]]:
        return zip(*(self._each(argument) for argument in arguments), strict=False)


_Function = Callable[[Evaluation, list[Any], dict[str, Any]], Any]

_FUNCTIONS: Mapping[str, _Function] = {
    "len": lambda evaluation, arguments, _: evaluation.length(arguments),
    "int": lambda evaluation, arguments, keywords: evaluation.integer(arguments, keywords),
    "float": lambda evaluation, arguments, _: evaluation.number(arguments),
    "str": lambda evaluation, arguments, _: evaluation.text(arguments),
    "bool": lambda _, arguments, __: bool(*arguments),
    "abs": lambda _, arguments, __: abs(*arguments),
    "min": lambda evaluation, arguments, keywords: evaluation.extreme(min, arguments, keywords),
    "max": lambda evaluation, arguments, keywords: evaluation.extreme(max, arguments, keywords),
    "sum": lambda evaluation, arguments, keywords: evaluation.total(arguments, keywords),
    "any": lambda evaluation, arguments, _: evaluation.first_of(True, arguments),
    "all": lambda evaluation, arguments, _: not evaluation.first_of(False, arguments),
    "sorted": lambda evaluation, arguments, keywords: evaluation.in_order(arguments, keywords),
    "round": lambda evaluation, arguments, keywords: evaluation.rounded(arguments, keywords),
    "range": lambda _, arguments, __: range(*arguments),
    "list": lambda evaluation, arguments, _: evaluation.collected(list, arguments),
    "set": lambda evaluation, arguments, _: evaluation.collected(set, arguments),
    "tuple": lambda evaluation, arguments, _: evaluation.collected(tuple, arguments),
    "dict": lambda evaluation, arguments, keywords: evaluation.mapping(arguments, keywords),
    "enumerate": lambda evaluation, arguments, keywords: evaluation.numbered(arguments, keywords),
    "zip": lambda evaluation, arguments, _: evaluation.zipped(arguments),
}

_NODE_NAMES: Mapping[type[ast.AST], str] = {
    ast.Lambda: "lambda",
    ast.NamedExpr: "“:=”",
    ast.Await: "await",
    ast.Yield: "yield",
    ast.YieldFrom: "yield",
    ast.Starred: "“*”",
}


def _place_in_set(item: object) -> tuple[str, str]:
    return type(item).__name__, repr(item)


def _kind(value: object) -> str:
    match value:
        case None:
            return "None"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list() | tuple() | set() | range():
            return "a list"
        case dict():
            return "an object"
        case _:
            return "an unfinished list"
