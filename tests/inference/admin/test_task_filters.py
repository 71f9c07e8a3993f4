from datetime import timedelta

import pytest
from django.http import QueryDict

from inference.admin.tasks.filters import PAGE_SIZE, TaskFilter
from inference.models import Task, TaskStatus
from tests.factories import make_automation, make_key, make_task
from tests.inference.admin.seed import Seeded

pytestmark = pytest.mark.django_db


def names(query: str) -> set[str]:
    """The ids of what a query string shows."""
    rows, _, _ = TaskFilter.read(QueryDict(query)).page()
    return {str(task.id) for task in rows}


def test_each_view_shows_its_tasks_and_no_others(seeded: Seeded) -> None:
    assert names("view=needs-you") == {str(seeded.review.id)}
    assert names("view=running") == {str(seeded.running.id), str(seeded.allocated.id)}
    assert names("view=queued") == {str(seeded.queued.id)}
    assert str(seeded.failed.id) in names("view=failed-today")
    assert str(seeded.success.id) not in names("view=failed-today")


def test_filters_narrow_together(seeded: Seeded) -> None:
    claims, key = seeded.claims.pk, seeded.key.pk
    found = names(f"status=failed&automation={claims}&key={key}")
    assert found == {str(seeded.failed.id), str(seeded.review.id)}
    assert names("status=cancelled&status=killed") == {str(seeded.cancelled.id), str(seeded.killed.id)}
    assert names(f"status=failed&automation={seeded.intake.pk}") == set()


def test_a_period_leaves_out_what_was_sent_before_it(seeded: Seeded) -> None:
    old = make_task(automation=seeded.claims, created_at=seeded.failed.created_at - timedelta(days=9))
    assert str(old.id) not in names("time=7d")
    assert str(old.id) in names("time=30d")
    day = old.created_at.date().isoformat()
    assert names(f"since={day}&until={day}") == {str(old.id)}


@pytest.mark.parametrize("part", ["whole", "tail", "tail_with_dots", "short_tail", "head"])
def test_search_takes_an_id_from_either_end(seeded: Seeded, part: str) -> None:
    text = str(seeded.failed.id)
    typed = {
        "whole": text,
        "tail": text[-8:],
        "tail_with_dots": f"…{text[-8:].upper()}",
        "short_tail": text[-5:],
        "head": text[:18],
    }[part]
    assert str(seeded.failed.id) in names(QueryDict(mutable=True).urlencode() + f"q={typed}")
    if part in ("whole", "tail", "tail_with_dots"):
        assert names(f"q={typed}") == {text}


@pytest.mark.parametrize("typed", ["hm-4471-0928", "Submit claim", "claims-sub", "invoice_plumber"])
def test_search_finds_values_sent_errors_and_names(seeded: Seeded, typed: str) -> None:
    assert str(seeded.failed.id) in names(f"q={typed}")


def test_search_finds_what_came_out(seeded: Seeded) -> None:
    assert names("q=Coverage confirmed") == {str(seeded.success.id)}


def test_search_takes_signs_of_patterns_literally(seeded: Seeded) -> None:
    assert names("q=%25") == set()
    assert names("q=_____________") == set()


def test_an_error_can_be_looked_for_by_its_beginning(seeded: Seeded) -> None:
    assert names("error=worker lost") == {str(seeded.review.id)}


@pytest.mark.parametrize(
    "query",
    [
        "view=nonsense&status=nonsense&automation=x&key=-1&time=never",
        "before=x&after=1.y",
        "before=99999999999999999999999.0199ab347c1e70008000aaaa9d3b5a21",
        "automation=99999999999999999999999999",
        "since=2026-13-45&until=today",
        "q=%00",
        "error=%00",
    ],
)
def test_a_damaged_address_still_shows_a_list(seeded: Seeded, query: str) -> None:
    page = TaskFilter.read(QueryDict(query)).page()
    assert page is not None


def test_paging_shows_every_task_once_in_both_directions() -> None:
    automation = make_automation()
    template = make_task(automation=automation)
    count = 2 * PAGE_SIZE + 7
    # Many share an instant: the cursor has to tell them apart by id.
    for number in range(count - 1):
        make_task(automation=automation, created_at=template.created_at - timedelta(seconds=number // 10))
    seen: list[str] = []
    wanted, pages = TaskFilter(), []
    while True:
        rows, newer, older = wanted.page()
        pages.append([str(task.id) for task in rows])
        seen += pages[-1]
        if not older:
            break
        wanted = TaskFilter(before=older)
    assert len(pages) == 3
    assert len(seen) == len(set(seen)) == count
    for expected in reversed(pages[:-1]):
        rows, newer, _ = TaskFilter(after=newer).page()
        assert [str(task.id) for task in rows] == expected
    assert newer == ""


def test_a_link_keeps_the_filter_and_begins_at_its_first_page() -> None:
    wanted = TaskFilter.read(QueryDict("view=queued&status=queued&q=a b&before=1.2"))
    assert wanted.link() == "?view=queued&status=queued&q=a+b"
    assert wanted.link(text="") == "?view=queued&status=queued"
    assert wanted.is_filtered
    assert not TaskFilter(view="queued").is_filtered


def test_new_tasks_are_those_after_the_newest_shown() -> None:
    automation = make_automation()
    key, _ = make_key()
    shown = make_task(automation=automation)
    wanted = TaskFilter(statuses=(TaskStatus.QUEUED,))
    cursor = f"{int(shown.created_at.timestamp() * 1_000_000)}.{shown.id.hex}"
    assert list(wanted.newer_than(cursor)) == []
    later = make_task(automation=automation, api_key=key)
    assert list(wanted.newer_than(cursor)) == [later]
    assert Task.objects.count() == 2
