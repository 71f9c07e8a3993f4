from datetime import UTC, datetime, timedelta

import pytest

from inference.admin.wording import (
    ago,
    cause_name,
    counted,
    duration,
    error_line,
    fine_duration,
    recently,
    short_id,
    size,
)

NOW = datetime(2026, 11, 24, 14, 31, 5, 412_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3, "0:00"), (0, "0:00"), (41.9, "0:41"), (630, "10:30"), (3840, "1 h 4 min"), (180_000, "2 d 2 h")],
)
def test_durations_read_as_clocks_and_never_run_ahead(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("milliseconds", "text"), [(4, "4 ms"), (120, "0.1 s"), (9600, "9.6 s"), (40_600, "40.6 s"), (81_300, "1:21")]
)
def test_waterfalls_show_tenths_below_a_minute(milliseconds: float, text: str) -> None:
    assert fine_duration(milliseconds) == text


@pytest.mark.parametrize(
    ("before", "text"),
    [
        (timedelta(seconds=0.2), "now"),
        (timedelta(seconds=8), "8 s ago"),
        (timedelta(minutes=3, seconds=59), "3 min ago"),
        (timedelta(hours=23), "23 h ago"),
        (timedelta(days=2), "22 Nov, 14:31"),
        (timedelta(days=400), "20 Oct 2025, 14:31"),
    ],
)
def test_times_are_relative_within_a_day_and_absolute_after(before: timedelta, text: str) -> None:
    assert ago(NOW - before, NOW).text == text


def test_the_tooltip_of_a_time_has_milliseconds_and_zone() -> None:
    assert ago(NOW, NOW).title == "24 Nov 2026, 14:31:05.412 (+00:00)"


def test_a_time_that_counts_on_says_so_and_an_absolute_one_does_not() -> None:
    assert ago(NOW - timedelta(minutes=1), NOW).counts
    assert not ago(NOW - timedelta(days=2), NOW).counts
    assert recently(NOW - timedelta(days=2), NOW).text == "22 Nov"


def test_the_shown_end_of_an_id_has_eight_characters() -> None:
    assert short_id("0199ab34-7c1e-7000-8000-aaaa9d3b5a21") == "…9d3b5a21"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        ("step 8 (Click “Save (all)”): no such button\nCall log", "no such button"),
        ("worker lost", "worker lost"),
        (
            "nothing usable matched get_by_label('x') on http://a/ within 2 s (3 hidden); nearest: a “Go”, b “x”; no",
            "nothing matched get_by_label('x'); nearest: a “Go”",
        ),
        (
            "nothing usable matched get_by_text('x') on about:blank within 10 s; no model is configured",
            "nothing matched get_by_text('x')",
        ),
        (
            "get_by_label('Name') on https://a.example/ could not be used within 10 s: it is disabled",
            "get_by_label('Name') could not be used: it is disabled",
        ),
        ("", ""),
        (None, ""),
    ],
)
def test_an_error_is_shown_without_what_the_page_says_beside_it(error: str | None, line: str) -> None:
    assert error_line(error) == line


@pytest.mark.parametrize(
    ("cause", "name"),
    [
        ({"kind": "user", "id": "jonas"}, "jonas"),
        ({"kind": "key", "id": "Ab3dE9fG"}, "key Ab3dE9fG"),
        ({"kind": "anonymous"}, "anonymous"),
        ({}, ""),
        (None, ""),
        ("odd", ""),
    ],
)
def test_a_cause_is_named_whatever_shape_it_has(cause: object, name: str) -> None:
    assert cause_name(cause) == name


def test_counts_and_sizes_read_well() -> None:
    assert counted(1, "task") == "1 task"
    assert counted(1332, "task") == "1,332 tasks"
    assert size(214_000) == "214 kB"
    assert size(8_100_000) == "8.1 MB"
