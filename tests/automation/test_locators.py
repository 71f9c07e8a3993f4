"""Locator commands: the grammar, values as data, hostile commands."""

import re

import pytest

from automation import LocatorError, parse_locator
from automation.locators import Call, FrameAt, LocatorCommand, Property, Regex

PAID = LocatorCommand((Call("get_by_text", ("Paid",)),))


@pytest.mark.parametrize(
    ("command", "steps"),
    [
        (
            'get_by_role("button", name="Save", exact=True)',
            [Call("get_by_role", ("button",), (("name", "Save"), ("exact", True)))],
        ),
        (
            'get_by_role("row").filter(has_text="INV-7").get_by_role("link").first',
            [
                Call("get_by_role", ("row",)),
                Call("filter", (), (("has_text", "INV-7"),)),
                Call("get_by_role", ("link",)),
                Property("first"),
            ],
        ),
        (
            'locator("#frame").content_frame.get_by_label("Email")',
            [Call("locator", ("#frame",)), Property("content_frame"), Call("get_by_label", ("Email",))],
        ),
        (
            'frame_locator("iframe").nth(1).locator("css=input[name=\'q\']")',
            [Call("frame_locator", ("iframe",)), Call("nth", (1,)), Call("locator", ("css=input[name='q']",))],
        ),
        (
            r'get_by_text(re.compile(r"^Total: \d+", re.I))',
            [Call("get_by_text", (Regex(r"^Total: \d+", int(re.IGNORECASE)),))],
        ),
        (
            'locator("tr", has=page.get_by_text("Paid")).nth(-1)',
            [Call("locator", ("tr",), (("has", PAID),)), Call("nth", (-1,))],
        ),
        ('get_by_role("link", name="{ids[index]}")', [Call("get_by_role", ("link",), (("name", "{ids[index]}"),))]),
        ('page.get_by_title("x")', [Call("get_by_title", ("x",))]),
        ('main_frame.locator("a")', [Property("main_frame"), Call("locator", ("a",))]),
        ('frame("f").locator("a")', [Call("frame", ("f",)), Call("locator", ("a",))]),
        (
            'frame(name="f", url=re.compile("x")).locator("a")',
            [Call("frame", ("f",), (("url", Regex("x")),)), Call("locator", ("a",))],
        ),
        ('frames[-2].get_by_test_id("t")', [FrameAt(-2), Call("get_by_test_id", ("t",))]),
        ('frame_locator("a").owner.last', [Call("frame_locator", ("a",)), Property("owner"), Property("last")]),
        ('locator("a").and_(page.get_by_text("Paid"))', [Call("locator", ("a",)), Call("and_", (PAID,))]),
        ('locator("a").or_(locator=page.get_by_text("Paid"))', [Call("locator", ("a",)), Call("or_", (PAID,))]),
        ('locator("a").filter(visible=True)', [Call("locator", ("a",)), Call("filter", (), (("visible", True),))]),
        ('locator("a").filter()', [Call("locator", ("a",)), Call("filter")]),
        ('locator(page.get_by_text("Paid"))', [Call("locator", (PAID,))]),
        ('locator("a").describe("the row")', [Call("locator", ("a",)), Call("describe", ("the row",))]),
        ('get_by_text(text="x", exact=None)', [Call("get_by_text", ("x",), (("exact", None),))]),
        ('get_by_role(name="x", role="row")', [Call("get_by_role", ("row",), (("name", "x"),))]),
        ('get_by_role("heading", level=2)', [Call("get_by_role", ("heading",), (("level", 2),))]),
        ('locator(selector="a").nth(index=1)', [Call("locator", ("a",)), Call("nth", (1,))]),
        ("""locator('a' "b" '''c''')""", [Call("locator", ("abc",))]),
        ('locator(\n  "a"  # the link\n)', [Call("locator", ("a",))]),
        ('  "get_by_text("x")"  ', [Call("get_by_text", ("x",))]),
        (r'locator("text=/\d+/")', [Call("locator", (r"text=/\d+/",))]),
        (
            'get_by_text(re.compile("a", re.IGNORECASE | re.M | re.S))',
            [Call("get_by_text", (Regex("a", int(re.IGNORECASE | re.MULTILINE | re.DOTALL)),))],
        ),
    ],
)
def test_commands(command: str, steps: list[object]) -> None:
    tree = parse_locator(command)
    assert tree is not None
    assert list(tree.steps) == steps


@pytest.mark.parametrize("command", ["", " ", "\n\t", '""', '" "'])
def test_a_blank_text_is_no_command(command: str) -> None:
    assert parse_locator(command) is None


@pytest.mark.parametrize(
    ("command", "word", "column"),
    [
        ('locator("a").click()', "click", 14),
        ('evaluate("1")', "evaluate", 1),
        ('context.pages[0].locator("a")', "context", 1),
        ("__class__", "__class__", 1),
        ('locator("a") or 1', "operator", 1),
        ('get_by_role(\'button\', name="O"K")', "readable", 32),
        ('get_by_text("x").__class__', "__class__", 18),
        ('get_by_text("x").all()', "all", 18),
        ('get_by_text("x").count()', "count", 18),
        ('get_by_text("x").element_handle()', "element_handle", 18),
        ("get_by_text", "parentheses", 1),
        ('get_by_text("x").first()', "without parentheses", 18),
        ('get_by_text("x").nth', "parentheses", 18),
        ("get_by_text()", "a text in quotes", 1),
        ("get_by_text(5)", "a text in quotes", 13),
        ('get_by_text(f"x")', "f-string", 13),
        ('get_by_text(b"x")', "expected", 13),
        ('get_by_text("a" + "b")', "operator", 13),
        ('get_by_text("a", "b")', "by name", 18),
        ('get_by_text("a", text="b")', "text", 18),
        ('get_by_text("a", exact=True, exact=True)', "exact", 30),
        ('get_by_text("a", exact=1)', "True, False", 24),
        ('get_by_text("a", name="b")', "name", 18),
        ('get_by_text("a", **{})', "**", 18),
        ('get_by_text(*["a"])', "expected", 13),
        ('get_by_text(lambda: "a")', "expected", 13),
        ('get_by_text((x := "a"))', "expected", 14),
        ('get_by_text(["a"][0])', "a text in quotes", 13),
        ('locator("a").nth(True)', "whole number", 18),
        ('locator("a").nth(1.5)', "whole number", 18),
        ('locator("a").nth("1")', "whole number", 18),
        ('locator("a").nth(--1)', "whole number", 19),
        ('locator("a").nth(99999999999)', "whole number", 18),
        ('locator("a")[0]', "", 1),
        ('locator("tr", has=get_by_text("a"))', "page.", None),
        ('locator("tr", has="a")', "nested locator", 19),
        ('locator("tr", has=page)', "nested locator", 19),
        ('locator("a").filter("b")', "by name", 21),
        ('locator("a").owner', "owner", 14),
        ('frame_locator("a")', "end in a locator", 1),
        ('locator("a").content_frame', "end in a locator", None),
        ('frame_locator("a").filter(has_text="x")', "filter", 20),
        ('frame_locator("a").content_frame.locator("b")', "content_frame", 20),
        ('frame("f")', "end in a locator", 1),
        ('frames.locator("a")', "position", 1),
        ('page.page.locator("a")', "page", 6),
        ("page", "", None),
        ('main_frame.frame_locator("a").locator("b")', "frame_locator", 12),
        ('get_by_text(re.compile("a", re.X))', "re.I", 32),
        ('get_by_text(re.compile("a", 2))', "re.I", 29),
        ('get_by_text(re.compile("("))', "regular expression", 13),
        ('get_by_text(re.escape("a"))', "re.compile", 13),
        ('get_by_text(re.compile("' + "a" * 501 + '"))', "500", 13),
        ('locator("a").nth({row})', "placeholder", 18),
        ('{locator[row]}.locator("a")', "placeholder", 1),
        ("{a[0]}", "placeholder", 1),
        ('locator("a"); locator("b")', "readable", None),
        ("import os", "readable", None),
        ("[x for x in locator]", "not part", 1),
        ('"a".join("b")', "readable", None),
    ],
)
def test_refused_commands(command: str, word: str, column: int | None) -> None:
    with pytest.raises(LocatorError) as caught:
        parse_locator(command)
    assert word in caught.value.message
    if column is not None:
        assert caught.value.column == column


@pytest.mark.parametrize("space", ["", "  ", '"', ' "'])
def test_the_column_counts_from_the_beginning_of_the_command_as_given(space: str) -> None:
    with pytest.raises(LocatorError) as caught:
        parse_locator(f'{space}locator("ä").click()')
    assert caught.value.column == len(space) + 14


def test_a_misspelt_step_gets_the_nearest_name() -> None:
    with pytest.raises(LocatorError, match="did you mean “get_by_role”"):
        parse_locator('get_by_rol("button")')


# Limits


def test_limits() -> None:
    assert parse_locator('locator("a")' + ".first" * 49) is not None
    for command in (
        'locator("a")' + ".first" * 50,
        'locator("a")' + ".first" * 600,
        f'locator("{"a" * 4_000}")',
        'locator("a", has=page.' * 6 + 'locator("a")' + ")" * 6,
    ):
        with pytest.raises(LocatorError):
            parse_locator(command)
    nested = 'locator("a", has=page.' * 5 + 'locator("a")' + ")" * 5
    assert parse_locator(nested) is not None


@pytest.mark.parametrize(
    "command",
    [
        "-" * 3_999 + "1",
        "(" * 1_900 + ")" * 1_900,
        "locator(" * 400 + ")" * 400,
        "a" + ".b" * 1_900,
        "a" + "[0]" * 1_300,
        "{" * 3_999,
        "'" * 3_999,
        "\\" * 3_999,
        'f"' + "{" * 1_000,
        "1" * 3_999,
        "locator('a').nth(" + "9" * 3_900 + ")",
        "locator('a\0b')",
        "\ud800",
        "locator('\\N{nothing}')",
        "locator('\\x1')",
        "not " * 900 + "x",
        'get_by_text(re.compile("(?:a{1000}){1000}' + '"',
        "\ue000" * 3_000,
        "lambda: " * 400 + "1",
        "#",
    ],
)
def test_hostile_commands_end_in_an_error(command: str) -> None:
    with pytest.raises(LocatorError):
        parse_locator(command)


# Placeholders


NASTY = 'it\'s "quoted" \\ {y[0]}\n\ue000 \u2028 """ \'\'\''


@pytest.mark.parametrize(
    "template",
    [
        'get_by_text("{x[0]}")',
        "get_by_text('{x[0]}')",
        'get_by_text("""{x[0]}""")',
        "get_by_text('''{x[0]}''')",
        'get_by_text(r"{x[0]}")',
        "get_by_text(u'{x[0]}')",
        "get_by_text('' '{x[0]}')",
    ],
)
def test_a_value_inside_a_literal_is_data(template: str) -> None:
    tree = parse_locator(template, input={"x": [NASTY], "y": ["not this"]})
    assert tree == LocatorCommand((Call("get_by_text", (NASTY,)),))


def test_a_value_may_stand_beside_escapes() -> None:
    tree = parse_locator(r'locator("\"{x[0]}\" \d\{x[0]}\\")', input={"x": ["'"]})
    assert tree == LocatorCommand((Call("locator", ("\"'\" \\d\\'\\",)),))


def test_values_of_all_sources_and_types() -> None:
    tree = parse_locator(
        'locator("{i[0]} {g[0]} {s[0]} {r.a.b}").nth({n[0]})',
        input={"i": [True], "n": [3]},
        generated={"g": [1.5], "r": {"a": {"b": "c"}}},
        secure={"s": ["pw"]},
    )
    assert tree == LocatorCommand((Call("locator", ("True 1.5 pw c",)), Call("nth", (3,))))


def test_a_value_outside_literals_is_read_by_the_same_grammar() -> None:
    assert parse_locator("{x[0]}", input={"x": ['get_by_text("a")']}) == LocatorCommand((Call("get_by_text", ("a",)),))
    for value in ('evaluate("1")', "__import__('os')", 'locator("a").click()', "1) or evaluate("):
        with pytest.raises(LocatorError):
            parse_locator("{x[0]}", input={"x": [value]})
        with pytest.raises(LocatorError):
            parse_locator('locator("a").nth({x[0]})', input={"x": [value]})


def test_an_inserted_command_is_not_scanned_for_placeholders() -> None:
    tree = parse_locator("{x[0]}", input={"x": ['get_by_text("{y[0]}")'], "y": ["z"]})
    assert tree == LocatorCommand((Call("get_by_text", ("{y[0]}",)),))


def test_a_value_cannot_borrow_the_mark_of_another_value() -> None:
    with pytest.raises(LocatorError):
        parse_locator(
            '{x[0]}.get_by_text("{s[0]}")', input={"x": ['get_by_text("\ue0000\ue000")']}, secure={"s": ["pw"]}
        )


def test_an_unknown_placeholder_stays_in_a_literal() -> None:
    assert parse_locator('get_by_text("{x[0]}")') == LocatorCommand((Call("get_by_text", ("{x[0]}",)),))


def test_columns_are_those_of_the_command_with_its_placeholders() -> None:
    with pytest.raises(LocatorError) as caught:
        parse_locator('get_by_text("{x[0]}").click()', input={"x": ["a long value, longer than its placeholder"]})
    assert caught.value.column == 23


@pytest.mark.parametrize("command", ["0\r0", "x\r", "(\r\n", "get_by_text(\r0"])
def test_a_column_lies_in_the_command_whatever_its_line_ends(command: str) -> None:
    with pytest.raises(LocatorError) as refused:
        parse_locator(command)
    assert refused.value.column is None or 1 <= refused.value.column <= len(command) + 1
