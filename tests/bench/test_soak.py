"""The judge of bench/soak.py would see what it looks for."""

from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from bench.plot import write_plot
from bench.soak import Look, Run, cluster_role, judge, median_slope, panels


def a_run(**change: Callable[[int], object]) -> Run:
    """200 looks, five tasks between two; `change` gives a field of each look by its number."""
    looks: list[Look] = []
    for number in range(200):
        fields: dict[str, object] = {
            "second": 3.0 * number,
            "tasks": 5 * number,
            "memory": {"web 1": 100.0 + number % 7, "cluster's worker 2": 90.0 - number % 3},
            "files": 300,
            "processes": 12,
            "zombies": [],
            "connections": 9,
            "temporary": 4,
        }
        fields |= {name: read(number) for name, read in change.items()}
        looks.append(Look(**fields))  # type: ignore[arg-type]
    return Run(looks=looks)


def problems(run: Run) -> list[str]:
    judge(run)
    return run.problems


def test_what_only_goes_up_and_down_is_flat() -> None:
    run = a_run()
    assert problems(run) == []
    assert set(run.slopes) == {"web 1", "cluster's worker 2"}


def test_a_process_that_grows_is_named() -> None:
    # 0.055 MB between two looks, five tasks apart: 1.1 MB in 100 tasks.
    run = a_run(memory=lambda number: {"web 1": 100.0, "cluster's worker 2": 80 + 0.055 * number})
    assert problems(run) == ["cluster's worker 2 grows by 1.10 MB in 100 tasks"]


def test_growth_before_the_warm_up_is_over_does_not_count() -> None:
    assert problems(a_run(memory=lambda number: {"web 1": 100.0 + min(number, 50)})) == []


def test_one_look_says_nothing_about_a_slope() -> None:
    assert median_slope([(5, 100.0), (5, 120.0)]) == 0
    assert median_slope([(0, 1.0), (1, 2.0), (2, 300.0), (3, 4.0)]) == pytest.approx(1.0)


def test_a_zombie_that_stays_counts_and_one_that_goes_does_not() -> None:
    assert problems(a_run(zombies=lambda number: [number])) == []
    assert problems(a_run(zombies=lambda number: [77] if number in (150, 151) else [])) == ["zombies that stay: [77]"]


def test_connections_and_files_that_become_more_are_told() -> None:
    assert problems(a_run(connections=lambda number: 9 + number // 100)) == [
        "9 connections after the warm-up, 10 at the end"
    ]
    assert problems(a_run(files=lambda number: 300 + number)) == ["360 open files after the warm-up, 499 at the end"]


def test_too_short_a_run_says_nothing() -> None:
    run = a_run()
    del run.looks[20:]
    assert problems(run) == ["only 14 looks after the warm-up: take more minutes"]
    run = a_run(tasks=lambda number: number // 4)
    assert problems(run) == ["no process was there for 100 tasks: take more minutes"]


def test_the_plot_has_a_line_for_each_role(tmp_path: Path) -> None:
    write_plot(tmp_path / "soak.svg", panels(a_run()))
    names = {each.text for each in ET.parse(tmp_path / "soak.svg").iter("{http://www.w3.org/2000/svg}text")}  # noqa: S314 - our own
    assert {"web", "cluster's worker", "connections", "open files", "tasks"} <= names


@pytest.mark.parametrize(
    ("title", "role"),
    [
        ("qcluster MainProcess fruit-march-zulu-blue", "command or sentinel"),
        ("qcluster Process-bf2ed1ebd9354894bfcb525cde752b04 monitor", "monitor"),
        ("qcluster Process-cc223bc505a1402ebcf566a5269202e8 pusher", "pusher"),
        ("qcluster Process-e9b59015ce4549bca87865998d6eb419 idle", "worker"),
        ("qcluster Process-e9b59015ce4549bca87865998d6eb419 processing a-name 'executor.worker.run'", "worker"),
    ],
)
def test_the_roles_of_a_cluster_are_told_by_their_titles(title: str, role: str) -> None:
    assert cluster_role(title) == role
