"""Effects are counted exactly, by id: the ledger, and the pages around it."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from demo.portal.effects import EffectLedger
from tests.demo.portal_process import Portal, csrf_of, running_portal


def test_ledger_loses_no_effect_of_racing_threads(tmp_path: Path) -> None:
    ledger = EffectLedger()
    ledger.keep_in(tmp_path / "effects.jsonl")
    with ThreadPoolExecutor(16) as pool:
        counts = list(pool.map(lambda turn: ledger.record(f"id-{turn % 4}"), range(400)))
    assert ledger.by_id() == dict.fromkeys(("id-0", "id-1", "id-2", "id-3"), 100)
    assert sorted(counts) == sorted(list(range(1, 101)) * 4)
    assert len((tmp_path / "effects.jsonl").read_text().splitlines()) == 400


def test_ledger_goes_on_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "effects.jsonl"
    first = EffectLedger()
    first.keep_in(path)
    first.record('odd "id"\nof two lines')
    second = EffectLedger()
    second.keep_in(path)
    assert second.record('odd "id"\nof two lines') == 2
    second.reset()
    third = EffectLedger()
    third.keep_in(path)
    assert third.total() == 0


def test_racing_submissions_are_all_counted(portal: Portal) -> None:
    visitor = portal.visitor()
    form = {"id": "racing", "csrfmiddlewaretoken": csrf_of(visitor)}

    def submit(_: int) -> int:
        with portal.visitor() as other:
            other.cookies.update(visitor.cookies)
            return other.post(f"{portal.url}/effects/record", data=form, timeout=20).status_code

    with ThreadPoolExecutor(12) as pool:
        assert set(pool.map(submit, range(36))) == {200}
    assert portal.get("/effects/racing").json() == {"id": "racing", "count": 36}
    assert portal.get("/effects").json() == {"total": 36, "by_id": {"racing": 36}}


def test_looking_counts_nothing(portal: Portal) -> None:
    for path in ("/effects/record?id=x", "/effects/slow?id=x&seconds=0", "/effects/recorded?id=x", "/effects/x"):
        assert portal.get(path).status_code == 200
    assert portal.get("/effects").json() == {"total": 0, "by_id": {}}


@pytest.mark.parametrize("effect_id", ["", "  ", "x" * 201])
def test_effect_without_a_usable_id_is_refused(portal: Portal, effect_id: str) -> None:
    visitor = portal.visitor()
    form = {"id": effect_id, "csrfmiddlewaretoken": csrf_of(visitor)}
    answer = visitor.post(f"{portal.url}/effects/record", data=form, timeout=10)
    assert answer.status_code == 422
    assert portal.get("/effects").json()["total"] == 0


def test_form_of_another_site_is_refused(portal: Portal) -> None:
    assert portal.post("/effects/record").status_code == 403


def test_ids_may_hold_slashes_and_blanks(portal: Portal) -> None:
    visitor = portal.visitor()
    form = {"id": "batch/7 b", "csrfmiddlewaretoken": csrf_of(visitor)}
    visitor.post(f"{portal.url}/effects/record", data=form, timeout=10).raise_for_status()
    assert portal.get("/effects/batch/7%20b").json() == {"id": "batch/7 b", "count": 1}


def test_reset_forgets_all_effects(portal: Portal) -> None:
    visitor = portal.visitor()
    form = {"id": "gone", "csrfmiddlewaretoken": csrf_of(visitor)}
    visitor.post(f"{portal.url}/effects/record", data=form, timeout=10).raise_for_status()
    assert portal.count("gone") == 1
    assert portal.get("/effects/reset").status_code == 405
    assert portal.count("gone") == 1
    assert portal.post("/effects/reset").json() == {"total": 0, "by_id": {}}
    assert portal.count("gone") == 0


def test_counts_survive_a_killed_portal(tmp_path: Path) -> None:
    options = ("--effects-file", str(tmp_path / "effects.jsonl"))
    with running_portal(*options) as portal:
        visitor = portal.visitor()
        form = {"id": "kept", "csrfmiddlewaretoken": csrf_of(visitor)}
        visitor.post(f"{portal.url}/effects/record", data=form, timeout=10).raise_for_status()
        portal.process.kill()
        portal.process.wait(10)
    with running_portal(*options) as portal:
        assert portal.get("/effects").json() == {"total": 1, "by_id": {"kept": 1}}
