from typing import Any

from automation import load
from executor.network import Wanted, wanted_calls
from tests import factories


def wanted_of(*nodes: dict[str, Any]) -> list[Wanted]:
    return wanted_calls(load(factories.a_document(nodes=nodes)))


def reading(**fields: Any) -> dict[str, Any]:
    return {"type": "action_node", "extraction_action": {"network_call": fields}}


def test_a_document_without_network_nodes_wants_no_calls() -> None:
    assert wanted_of({"type": "action_node", "sleep_action": {"sleep_time": 0}}) == []


def test_what_placeholders_will_become_may_be_anything() -> None:
    (wanted,) = wanted_of(reading(url_pattern="/members/{ids[index]}/claims"))

    assert wanted.may_match("https://a.example/members/7/claims")
    assert not wanted.may_match("https://a.example/members/7")
    assert wanted.reads_bodies
    assert not wanted.saves_bodies


def test_a_null_pattern_wants_all_calls_and_a_name_the_bodies_of_all_types() -> None:
    (wanted,) = wanted_of(reading(extract_from="request", download_filename="a.bin"))

    assert wanted.may_match("https://anything.example/")
    assert wanted.saves_bodies
    assert not wanted.reads_bodies


def test_nodes_inside_loops_and_branches_count() -> None:
    check = {"type": "action_node", "assertion_action": {"network_call": {"url_pattern": "/b"}}}
    branch = {
        "type": "if_else_node",
        "condition": "True",
        "if_nodes": [reading(url_pattern="/a")],
        "else_nodes": [check],
    }

    assert [wanted.pieces for wanted in wanted_of(branch)] == [("/a",), ("/b",)]
