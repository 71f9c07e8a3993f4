"""Placeholders: the table of the language, one pass, loop bindings."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from automation import bind_pass, expand, expand_value, is_single_unresolved_placeholder, mentions_empty_input

R = {"status_code": 200, "flag": True, "body": {"a": [1, "x"], "items": [{"n": 1}, {"n": "two"}], "none": None}}


@pytest.mark.parametrize(
    ("template", "variables", "result"),
    [
        ("{a[0]}", {"input": {"a": ["x"]}}, "x"),
        ("Hi {a[0]}, {a[0]}", {"input": {"a": ["x"]}}, "Hi x, x"),
        ("{a[1]}", {"input": {"a": ["x"]}}, "{a[1]}"),
        ("n: {a[1]}", {"input": {"a": ["x"]}}, "n: {a[1]}"),
        ("{a[-1]}", {"input": {"a": ["x"]}}, "{a[-1]}"),
        ("{a}", {"input": {"a": ["x"]}}, "{a}"),
        ("{ a[0] }", {"input": {"a": ["x"]}}, "{ a[0] }"),
        ("{a[00]}", {"input": {"a": ["x"]}}, "{a[00]}"),
        ("{a[index+1]}", {"input": {"a": ["x"]}}, "{a[index+1]}"),
        ("{a[0]}", {"input": {"a": [True]}}, "True"),
        ("{a[0]}", {"input": {"a": [1.0]}}, "1.0"),
        ("{a[0]}", {"input": {"a": [7]}}, "7"),
        ("{a[0]}", {"input": {"a": [""]}}, ""),
        ("{a[0]}", {"input": {"a": ["in"]}, "generated": {"a": ["gen"]}}, "in"),
        ("{a[0]}", {"input": {"a": []}, "generated": {"a": ["gen"]}}, "gen"),
        ("{a[0]}", {"secure": {"a": ["sec"]}, "generated": {"a": ["gen"]}}, "sec"),
        ("{g[0]}", {"generated": {"g": [None]}}, "{g[0]}"),
        ("{g[0]}", {"generated": {"g": [["x", 1, True]]}}, '["x", 1, true]'),
        ("{a[0]}", {"input": {"a": ["{b[0]}"], "b": ["deep"]}}, "{b[0]}"),
        ("{a[0]}", {"input": {"b": ["deep"], "a": ["{b[0]}"]}}, "{b[0]}"),
        ("{{a[0]}}", {"input": {"a": ["v"]}}, "{v}"),
        ("{my name[0]}", {"generated": {"my name": ["v"]}}, "v"),
        ("{größe[0]}", {"input": {"größe": ["v"]}}, "v"),
        ("{r.status_code}", {"generated": {"r": R}}, "200"),
        ("{r.body.items[1].n}", {"generated": {"r": R}}, "two"),
        ("{r.body.a}", {"generated": {"r": R}}, '[1, "x"]'),
        ("{r.flag}", {"generated": {"r": R}}, "True"),
        ("{r.missing}", {"generated": {"r": R}}, "{r.missing}"),
        ("{r.body.none}", {"generated": {"r": R}}, "{r.body.none}"),
        ("{r.body.items[9]}", {"generated": {"r": R}}, "{r.body.items[9]}"),
        ("{r[0]}", {"generated": {"r": R}}, "{r[0]}"),
        ("{r.a-b}", {"generated": {"r": {"a-b": 1}}}, "{r.a-b}"),
        ("{r.x}", {"input": {"r": {"x": 1}}}, "{r.x}"),
        ("", {}, ""),
    ],
)
def test_the_table_of_the_language(template: str, variables: dict[str, Any], result: str) -> None:
    assert expand(template, **variables) == result


def test_an_object_is_json_text() -> None:
    assert expand("{r.body}", generated={"r": {"body": {"a": [1, "x"]}}}) == '{"a": [1, "x"]}'


@pytest.mark.parametrize(
    ("template", "result"),
    [
        ('"quoted"', "quoted"),
        ('say "hi"', 'say "hi'),
        ('"{a[0]}"', "x"),
        ("{q[0]}", "inner"),
        ('"""', ""),
        ("'single'", "'single'"),
    ],
)
def test_quotes_at_the_ends_are_stripped_where_the_field_says_so(template: str, result: str) -> None:
    values = {"a": ["x"], "q": ['"inner"']}
    assert expand(template, input=values, strip_quotes=True) == result
    assert expand(template, strip_quotes=True) == expand(template).strip('"')


class Fetching(Mapping[str, list[str]]):
    """Secrets that are fetched one by one, and remember which."""

    def __init__(self) -> None:
        self.fetched: list[str] = []

    def __getitem__(self, name: str) -> list[str]:
        self.fetched.append(name)
        return [f"value of {name}"]

    def __contains__(self, name: object) -> bool:
        return name in ("a", "b")

    def __iter__(self) -> Iterator[str]:
        return iter(("a", "b"))

    def __len__(self) -> int:
        return 2


def test_only_what_is_mentioned_is_looked_up() -> None:
    secrets = Fetching()
    assert expand("{a[0]} {c[0]}", secure=secrets) == "value of a {c[0]}"
    assert secrets.fetched == ["a"]


def test_values_at_any_depth_are_expanded_but_not_keys() -> None:
    value = {"{a[0]}": ["{a[0]}", {"x": "{r.flag}", "n": 5, "none": None}]}
    assert expand_value(value, input={"a": ["v"]}, generated={"r": R}) == {
        "{a[0]}": ["v", {"x": "True", "n": 5, "none": None}]
    }


# Loops


def test_a_pass_of_a_variable_loop() -> None:
    text = "{p[index]}/{q[index]}/{z[index]}/{index}/{index_of(p)}/{index_of(q)}"
    bound = bind_pass(text, index=2, variable_names=["p", "q"])
    assert bound == "{p[2]}/{q[2]}/{z[index]}/2/2/{index_of(q)}"
    values = {"p": ["", "", "P"], "q": ["", "", "Q"]}
    assert expand(bound, input=values) == "P/Q/{z[index]}/2/2/{index_of(q)}"


def test_a_pass_of_a_locator_loop() -> None:
    command = '{locator[row]}.locator("td").nth({row})'
    bound = bind_pass(command, index=1, index_variable_name="row", locator='get_by_role("row")')
    assert bound == 'get_by_role("row").nth(1).locator("td").nth(1)'


def test_an_inner_loop_is_scoped_to_the_outer_match() -> None:
    assert bind_pass("{locator[index]}.locator('td')", index=1, locator="locator('tr')") == (
        "locator('tr').nth(1).locator('td')"
    )


def test_of_two_loops_with_one_index_name_the_outer_one_is_bound_first() -> None:
    body = "{index} {outer[index]} {inner[index]}"
    outer = bind_pass(body, index=3, variable_names=["outer"])
    assert bind_pass(outer, index=7, variable_names=["inner"]) == "3 {outer[3]} {inner[7]}"


def test_a_loop_leaves_other_loops_alone() -> None:
    assert bind_pass("{index} {a[j]}", index=1, index_variable_name="i", variable_names=["a"]) == "{index} {a[j]}"
    assert bind_pass("{locator[index]}", index=1, variable_names=["a"]) == "{locator[index]}"
    assert bind_pass("{index_of(a)}", index=1, locator="x") == "{index_of(a)}"


# What is not typed


@pytest.mark.parametrize("text", ["{a[0]}", "{_a1[12]}"])
def test_a_single_placeholder(text: str) -> None:
    assert is_single_unresolved_placeholder(text)


@pytest.mark.parametrize(
    "text", ["", "{a}", "{a[0]} ", "x{a[0]}", "{a[0]}{b[0]}", "{a.b}", "{é[0]}", "{1[0]}", "{a[x]}"]
)
def test_no_single_placeholder(text: str) -> None:
    assert not is_single_unresolved_placeholder(text)


@pytest.mark.parametrize(
    ("text", "verdict"),
    [("{a[0]}", True), ("x {a[5]} y", True), ("{b[0]}", False), ("{c[0]}", False), ("{a}", False), ("", False)],
)
def test_a_placeholder_of_an_empty_list(text: str, verdict: bool) -> None:
    assert mentions_empty_input(text, {"a": [], "b": ["x"]}) is verdict


@pytest.mark.parametrize("text", ["{" * 100_000, "{a" * 50_000, "{a." * 30_000, "{a.b" + ".c" * 50_000, "{a[" * 30_000])
def test_hostile_texts_take_time_that_grows_with_their_length_only(text: str) -> None:
    assert expand(text, input={"a": ["x"]}) == text
    assert not is_single_unresolved_placeholder(text)
