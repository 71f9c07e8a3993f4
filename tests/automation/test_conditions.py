"""Conditions and expressions: the tables of the language, and expressions that mean harm."""

import time
from typing import Any

import pytest

from automation import ExpressionError, evaluate_condition, evaluate_expression, evaluate_poll_condition
from automation.conditions import check_expression
from automation.evaluator import FUNCTIONS, METHODS

R = {"status_code": 200, "headers": {}, "body": {"items": [{"ref": "A"}], "get": 5, "done": False}}


@pytest.mark.parametrize(
    ("condition", "given", "produced", "value"),
    [
        ("a[0] == 'x'", {"a": ["x"]}, {}, True),
        ("{a[0]} == 'x'", {"a": ["x"]}, {}, True),
        ("not {ok[0]}", {}, {"ok": [False]}, True),
        ("ok", {}, {"ok": [False]}, True),
        ("a[0]", {"a": ["False"]}, {}, True),
        ("a[0] is None", {}, {"a": [None]}, True),
        ("len(a) > 1", {"a": ["x"]}, {}, False),
        ("int(a[0]) + 1 == 3", {"a": ["2"]}, {}, True),
        ("{a[-1]} == 'y'", {"a": ["x", "y"]}, {}, True),
        ("{a} == ['x']", {"a": ["x"]}, {}, True),
        ("r['status_code'] == 200", {}, {"r": R}, True),
        ("{r.status_code} == 200", {}, {"r": R}, True),
        ("r.status_code == 200", {}, {"r": R}, True),
        ("{r.body.items[0].ref} == 'A'", {}, {"r": R}, True),
        ("r.body.get == 5 and r.body.get('nothing') is None", {}, {"r": R}, True),
        ("a[0] == 'i'", {"a": ["i"]}, {"a": ["g"]}, False),
        ("{1}", {}, {}, True),
        ("{nobody} == 1 if False else True", {}, {}, True),
        ("any(v == 'x' for v in a)", {"a": ["x"]}, {}, True),
        ("any(v == b[0] for v in a)", {"a": ["x"], "b": ["x"]}, {}, True),
        ("'{a[0]}' == 'x'", {"a": ["x"]}, {}, False),
        ("'{a[0]}' == 'a[0]'", {"a": ["x"]}, {}, True),
        ("{größe[0]} > 1.5", {"größe": [2]}, {}, True),
        ("  a  ", {"a": ["x"]}, {}, True),
        ("a[0] == True and a[0] is True", {"a": [True]}, {}, True),
        ("len == ['own']", {"len": ["own"]}, {}, True),
    ],
)
def test_conditions(condition: str, given: dict[str, Any], produced: dict[str, Any], value: bool) -> None:
    assert evaluate_condition(condition, input=given, generated=produced) is value


@pytest.mark.parametrize(
    "condition",
    ["{a[1]} == 'x'", "zz[0]", "true", "", " \n", "{zz[0]}", "a[0] +", "a.b", "a[0].x", "r.nothing", "r['x']", "a < 1"],
)
def test_a_condition_that_cannot_be_judged_is_an_error(condition: str) -> None:
    with pytest.raises(ExpressionError):
        evaluate_condition(condition, input={"a": ["x"]}, generated={"r": R})


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1 + 2 * 3 - 4 / 2", 5.0),
        ("7 // 2 + 7 % 4 + 2 ** 3", 14),
        ("-1 + +2", 1),
        ("2 ** -1", 0.5),
        ("2 ** 100", 2**100),
        ("not 0", True),
        ("0 or '' or 'last'", "last"),
        ("1 and 0 and boom", 0),
        ("1 < 2 < 3 != 4", True),
        ("3 < 2 < boom", False),
        ("'b' in 'abc' and 2 not in [1, 3] and 'k' in {'k': 1}", True),
        ("'a' if 1 > 2 else 'b'", "b"),
        ("[1, 2, 3][1:]", [2, 3]),
        ("'abc'[::-1]", "cba"),
        ("[x * 2 for x in [1, 2, 3] if x > 1]", [4, 6]),
        ("[a + b for a in 'xy' for b in 'zw']", ["xz", "xw", "yz", "yw"]),
        ("{k: v for k, v in {'a': 1}.items()}", {"a": 1}),
        ("sorted({x % 3 for x in range(9)})", [0, 1, 2]),
        ("sum(x for x in [1, 2])", 3),
        ("(x for x in [1])", [1]),
        ("[(i, v) for i, v in enumerate('ab', start=1)]", [[1, "a"], [2, "b"]]),
        ("list(zip([1, 2], 'ab'))", [[1, "a"], [2, "b"]]),
        ("dict([['a', 1]], b=2)", {"a": 1, "b": 2}),
        ("len('abc') + len([1]) + len({})", 4),
        ("int('7') + int(2.9) + int('ff', 16) + int('11', base=2)", 267),
        ("float('1.5')", 1.5),
        ("str(5) + str(None) + str([1, 'a'])", "5None[1, 'a']"),
        ("bool('') == False", True),
        ("abs(-3) + min(2, 1) + max([4, 5]) + max([], default=1)", 10),
        ("sum([1, 2], 3)", 6),
        ("any([0, 1]) and not all([0, 1])", True),
        ("sorted([3, 1, 2], reverse=True)", [3, 2, 1]),
        ("round(1.25, 1) + round(2.5)", 3.2),
        ("list(range(0, 6, 2))", [0, 2, 4]),
        ("tuple('ab')", ["a", "b"]),
        ("set([2, 1])", [1, 2]),
        ("{2, 1}", [1, 2]),
        ("' Ab '.strip().lower() + 'x'.upper() + ' y'.lstrip() + 'z '.rstrip()", "abXyz"),
        ("'abc'.startswith('a') and 'abc'.endswith('c')", True),
        ("'a-b'.replace('-', '+')", "a+b"),
        ("'a,b'.split(',')", ["a", "b"]),
        ("'a b'.split()", ["a", "b"]),
        ("', '.join(['a', 'b'])", "a, b"),
        ("'abc'.find('c') + 'abc'.index('b') + 'aa'.count('a')", 5),
        ("[1, 1, 2].count(1) + [1, 2].index(2)", 3),
        ("'1'.isdigit() and 'a'.isalpha() and 'a1'.isalnum() and '1'.isnumeric()", True),
        ("'ab cd'.title() + 'ab'.capitalize()", "Ab CdAb"),
        ("'7'.zfill(3)", "007"),
        ("'{} {1}'.format('a') if False else '{0}-{name}'.format('a', name='b')", "a-b"),
        ("list({'a': 1}.keys()) + {'a': 1}.values() + [{'a': 1}.get('b', 2)]", ["a", 1, 2]),
        ("f'{1 + 1}-{\"x\"!s}'", "2-x"),
        ("'%s has %d' % ('a', 3)", "a has 3"),
        ("{'a': 1}.a", 1),
        ("10 ** 9 in range(10 ** 12)", True),
        ("len(range(10 ** 12))", 10**12),
        ("None", None),
        ("'\\u00e9' 'x'", "éx"),
    ],
)
def test_the_allowed_part_of_python(expression: str, value: Any) -> None:
    result = evaluate_expression(expression)
    assert result == value
    assert type(result) is type(value)


def test_every_function_and_method_of_the_list_is_tried_above() -> None:
    tried = " ".join(str(mark.args) for mark in test_the_allowed_part_of_python.pytestmark)
    assert [name for name in sorted(FUNCTIONS) if f"{name}(" not in tried] == []
    assert [name for name in sorted(METHODS) if f".{name}(" not in tried] == []


# Variables in expressions


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("{n[0]} + 1", 6),
        ("n[0] + 1", 6),
        ("'{s[0]}'.upper()", 'IT\'S "Q" \\N'),
        ('"{s[0]}"', 'it\'s "q" \\n'),
        ("'''{s[0]}'''", 'it\'s "q" \\n'),
        ("r'{s[0]}'", 'it\'s "q" \\n'),
        ("f'{n[0]}!'", "5!"),
        ("len('{s[0]}') == len(s[0])", True),
        ("'{s[0]} {missing[0]}'", 'it\'s "q" \\n {missing[0]}'),
        ("{r.status_code} + r.status_code", 400),
        ("a[0] + '{a[0]}'", "generatedinput"),
        ("'{deep[0]}'", "{n[0]}"),
    ],
)
def test_values_in_expressions(expression: str, value: Any) -> None:
    given = {"n": [5], "s": ['it\'s "q" \\n'], "a": ["input"], "deep": ["{n[0]}"]}
    assert evaluate_expression(expression, input=given, generated={"r": R, "a": ["generated"]}) == value


@pytest.mark.parametrize("value", ["' + boom + '", "'", "\\", "\n", "'''", '"""', "\\'", "{n[0]}"])
@pytest.mark.parametrize("template", ["'{s[0]}'", '"{s[0]}"', "'''{s[0]}'''", "r'{s[0]}'", "f'{s[0]}'"])
def test_a_value_inside_a_literal_cannot_leave_it(template: str, value: str) -> None:
    assert evaluate_expression(template, input={"s": [value], "n": [1]}) == value


def test_a_text_outside_a_literal_is_read_by_the_same_rules() -> None:
    assert evaluate_expression("{s[0]}", input={"s": ["1 + 1"]}) == 2
    for value in ("__import__('os')", "().__class__", "open('x')", "hello world"):
        with pytest.raises(ExpressionError):
            evaluate_expression("{s[0]}", input={"s": [value]})


# Poll conditions


@pytest.mark.parametrize(
    ("condition", "result", "value"),
    [
        ("body.status == 'done'", {"body": {"status": "done"}}, True),
        ("body.n >= 3 and not body.err", {"body": {"n": 3}}, True),
        ("body.missing.deeper is None", {"body": {}}, True),
        ("body.x is None", {"body": None}, True),
        ("body.x is None", {"body": "text"}, True),
        ("status_code >= 400", {"status_code": 404}, True),
        ("not error", {"status_code": 200}, True),
        ("error == 'timeout'", {"error": "timeout"}, True),
        ("body.items[0]", {"body": {"items": [1]}}, True),
        ("body.items[0].done", {"body": {"items": [{"done": True}]}}, True),
        ("body.items[5]", {"body": {"items": [1]}}, False),
        ("'body' == body", {"body": "body"}, True),
        ("headers['x'] == 'y'", {"headers": {"x": "y"}}, True),
        ("nothing", {"body": 1}, False),
        ("body.n > 1", {"body": {"n": "a"}}, False),
        ("", {}, False),
        ("((", {}, False),
        ("body.__class__", {"body": {}}, False),
        ("[x for x in range(10**9)]", {}, False),
    ],
)
def test_poll_conditions(condition: str, result: dict[str, Any], value: bool) -> None:
    assert evaluate_poll_condition(condition, result) is value


# Harm

HOSTILE = [
    "__import__('os')",
    "open('/etc/passwd')",
    "globals()",
    "vars()",
    "getattr(1, 'real')",
    "type(1)",
    "print(1)",
    "().__class__.__bases__",
    "'a'.__class__",
    "a.__class__",
    "(1).real",
    "'x'.encode()",
    "'{0.__class__}'.format(1)",
    "'{0[0]}'.format([1])",
    "'{0!r}'.format(1)",
    "'{:>99999999}'.format(1)",
    "'{:{}}'.format(1, 99999999)",
    "f'{1:>99999999}'",
    "f'{1!r}'",
    "'%99999999d' % 1",
    "'%*d' % (99999999, 1)",
    "lambda: 1",
    "(lambda: 1)()",
    "(x := 1)",
    "[*[1]]",
    "{**{}}",
    "len(*[[1]])",
    "dict(**{})",
    "await x",
    "[x async for x in a]",
    "b'bytes'",
    "1j",
    "...",
    "1 << 99999",
    "1 | 2",
    "~1",
    "[] @ []",
    "sorted([1], key=len)",
    "max(1, 2, key=len)",
    "len",
    "a.append(1)",
    "a.sort()",
    "'a'.casefold()",
    "[x.y for x.y in [1]]",
    "[a for a[0] in [[1]]]",
    "import os",
    "x = 1",
    "1; 2",
    "9 ** 9 ** 9",
    "2 ** 99999",
    "(2 ** 9999) * (2 ** 9999)",
    "10 ** 4300",
    "'a' * 10 ** 9",
    "10 ** 9 * 'a'",
    "[0] * 10 ** 9",
    "('a' * 60000) + ('b' * 60000)",
    "[[0] * 60000] * 60000 + [1] * 60000",
    "list(range(10 ** 9))",
    "sum(range(10 ** 9))",
    "sorted(range(10 ** 9))",
    "max(range(10 ** 9))",
    "any(x < 0 for x in range(10 ** 9))",
    "[x for x in range(10 ** 9)]",
    "{x for x in range(10 ** 9)}",
    "{x: x for x in range(10 ** 9)}",
    "[1 for x in range(1000) for y in range(1000)]",
    "list(zip(range(10 ** 9), range(10 ** 9)))",
    "list(enumerate(range(10 ** 9)))",
    "dict(zip(range(10 ** 9), range(10 ** 9)))",
    "'a'.zfill(10 ** 9)",
    "('a' * 60000).replace('a', 'bbb')",
    "('a' * 60000).replace('', 'bbb')",
    "('a' * 60000).join(['b', 'c', 'd'])",
    "'a'.join(['b' * 60000] * 60000)",
    "'{0}{0}'.format('a' * 60000)",
    "'%s%s' % ('a' * 60000, 'a' * 60000)",
    "f'{[1] * 60000}'",
    "str([[1] * 60000] * 60000)",
    "str([[[[[1] * 60] * 60] * 60] * 60] * 60)",
    "[[[[[1]*60]*60]*60]*60]*60 == [[[[[1]*60]*60]*60]*60]*60",
    "[[[[1]*60]*60]*60]*60 in [[[[[1]*60]*60]*60]*60]",
    "sorted([[[[1]*60]*60]*60]*60)",
    "{((((1,)*60,)*60,)*60,)*60}",
    "round(5, -10 ** 9)",
    "round(5, ndigits=-10 ** 9)",
    "int('9' * 5000)",
    "int('f' * 60000, 16)",
    "('a' * 60000).strip('b' * 60000 + 'a')",
    "10.5 in range(10 ** 9)",
    "1 / 0",
    "1 % 0",
    "1e308 * 10",
    "float('nan')",
    "[float('inf')]",
    "(-1) ** 0.5",
    "int('abc')",
    "(int(x) for x in ['abc'])",
    "[(1 / x for x in [0])]",
    "[[x[5] for x in [[]]] for y in [1]]",
    "[1][5]",
    "{}['a']",
    "{1: 2}",
    "{[]}",
    "{{}: 1}",
    "'a' + 1",
    "'a' < 1",
    "None + 1",
    "sum(['a'])",
    "sum([[1]], [])",
    "'\\0'",
    "'\\ud800'",
    "['\\0']",
    "zip([1], [2]) == 1",
    "str(x for x in [1])",
    "len(1)",
    "1()",
    "1[0]",
    "'a'['b']",
    "-'a'",
    "[1, 2][:'a']",
    "[x for x in 1]",
    "[x for x, y in [1]]",
    "[x for x, y in [[1, 2, 3]]]",
    "+".join(["1"] * 300),
    "(" * 1_000 + ")" * 1_000,
    "-" * 3_990 + "1",
    "not " * 990 + "1",
    "[" * 150 + "]" * 150,
    "'" + "a" * 4_000 + "'",
    "a" * 4_001,
    "\0",
    "\ud800",
    "{" * 2_000,
]


@pytest.mark.parametrize("expression", HOSTILE, ids=lambda text: repr(text[:40]))
def test_a_hostile_expression_ends_quickly_in_an_error(expression: str) -> None:
    started = time.process_time()
    with pytest.raises(ExpressionError):
        evaluate_expression(expression, input={"a": ["x"]})
    # Work is counted; the clock only shows that the counting is worth something.
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    "expression",
    [
        "big[0] == big[0] + 'x'",
        "nested == nested",
        "nested in [nested]",
        "sorted(many)",
        "''.join(big)",
        "big[0].upper()",
        "big[0].strip(big[0])",
        "[big[0] for x in range(9000)]",
    ],
)
def test_large_variables_do_not_make_it_slow(expression: str) -> None:
    shallow = [[0] * 1_000] * 1_000
    variables = {"big": ["a" * 2_000_000], "nested": [shallow] * 100, "many": list(range(500_000))}
    started = time.process_time()
    with pytest.raises(ExpressionError):
        evaluate_expression(expression, input=variables)
    assert time.process_time() - started < 1


def test_large_variables_can_be_used_in_small_ways() -> None:
    variables = {"big": ["a" * 100_000 + "b"], "many": list(range(20_000))}
    assert evaluate_condition("big[0].endswith('b') and 'b' in big[0]", input=variables, generated={})
    assert evaluate_condition("len(many) == 20000 and many[-1] == 19999", input=variables, generated={})
    assert evaluate_expression("big[0][-3:]", input=variables) == "aab"


def test_operations_are_counted() -> None:
    assert evaluate_expression("len([x for x in range(3000)])") == 3000
    with pytest.raises(ExpressionError, match="10,000 operations"):
        evaluate_expression("len([x for x in range(6000)])")


def test_results_are_limited_to_64_kib() -> None:
    assert evaluate_expression("'a' * 65536") == "a" * 65_536
    for expression in ("'a' * 65537", "['a' * 40000, 'b' * 40000]", "'ä' * 40000", "{'k': ['a' * 40000] * 2}"):
        with pytest.raises(ExpressionError, match="64 KiB"):
            evaluate_expression(expression)


def test_no_message_repeats_a_value() -> None:
    for expression in ("int(s[0])", "s[0] + 1", "{s[0]: 1}[1]", "[s[0]].index('x')", "d[s[0]]", "float('{s[0]}')"):
        with pytest.raises(ExpressionError) as caught:
            evaluate_expression(expression, input={"s": ["hunter2"], "d": [{}]})
        assert "hunter2" not in str(caught.value)
        assert caught.value.__context__ is None or caught.value.__suppress_context__


def test_errors_know_their_column() -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate_expression("1 + zz")
    assert caught.value.column == 5


@pytest.mark.parametrize(
    ("expression", "is_fine"), [("a[0] == 1", True), ("lambda: 1", False), ("1 << 2", False), ("x.__y", False)]
)
def test_an_expression_can_be_checked_without_its_values(expression: str, is_fine: bool) -> None:
    if is_fine:
        check_expression(expression)
    else:
        with pytest.raises(ExpressionError):
            check_expression(expression)
