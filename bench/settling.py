"""What it saves to wait for a page until it has settled, beside the contract's pauses taken literally.

Six bundled automations, each with at least one extraction, run against the bundled portal on one warm browser, with
every pause that the language has by default: their own `before_sleep_time`, `end_sleep_time` and sleeps are left out
on both sides. The literal pace sleeps 3 s before an extraction, 0.1 s after each act before it looks whether the page
has loaded, and a whole second between two tries; the product's pace settles. Both take turns in one run, and each
flow's outputs and files must be the same on all runs of both sides.

    .venv/bin/python -m bench.settling [--runs 50] [--flow northwind-triage ...] [--json FILE]
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FLOWS = (
    "northwind-eligibility",
    "northwind-coverage-letter",
    "northwind-coverage-popup",
    "northwind-iframe-and-widget",  # the payer's answer in the frame comes late
    "northwind-report-csv",  # rows come while the page is scrolled
    "northwind-triage",  # everything comes late
)
PORTAL = "http://127.0.0.1:8765"
PAUSES = ("before_sleep_time", "end_sleep_time")
RUN_SECONDS = 180.0
REACH = 5.0


@dataclass
class Flow:
    """One automation's figures: seconds of each run by pace, and what the runs gave."""

    name: str
    seconds: dict[str, list[float]] = field(default_factory=lambda: {"literal": [], "settling": []})
    results: set[str] = field(default_factory=set[str])
    failures: list[str] = field(default_factory=list[str])

    def median(self, pace: str) -> float:
        return statistics.median(self.seconds[pace])

    @property
    def ratio(self) -> float:
        return self.median("literal") / self.median("settling")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--flow", action="append", choices=FLOWS, help="only this one; may be given several times")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    # Stopped half-way, it still ends its browser, its portal and its database.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with ExitStack() as stack:
        temporary = tempfile.TemporaryDirectory(prefix="bench-settling-", ignore_cleanup_errors=True)
        prepare_database(stack, Path(stack.enter_context(temporary)))
        from tests.demo.portal_process import running_portal

        portal = stack.enter_context(running_portal())
        bench = Bench(stack, portal.url)
        flows = [Flow(name) for name in options.flow or FLOWS]
        for flow in flows:
            bench.run(flow.name, "settling")  # both sides warm
        for number in range(options.runs):
            for place, flow in enumerate(flows):
                # Neither side always has the other's leftovers before it.
                paces = ("literal", "settling") if (number + place) % 2 else ("settling", "literal")
                for pace in paces:
                    measure(bench, flow, pace)
                tell_progress(flow, number + 1, options.runs)
    return report(flows, options)


def prepare_database(stack: ExitStack, folder: Path) -> None:
    os.environ |= {
        "DATA_DIR": str(folder),
        "DJANGO_SETTINGS_MODULE": "optexity_site.settings",
        "LOG_LEVEL": "WARNING",
        "BROWSER_ALLOWED_PRIVATE_HOSTS": "127.0.0.1",
    }
    from optexity_site import embedded_db

    embedded_db.acquire(folder)
    stack.callback(embedded_db.delete, folder)
    stack.callback(embedded_db.release, folder)
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def without_pauses(document: Any) -> Any:
    """The document as somebody writes it who has not thought about waiting: the defaults count."""
    match document:
        case dict():
            kept = {name: without_pauses(value) for name, value in document.items() if name not in PAUSES}
            if "nodes" in kept:
                kept["nodes"] = [node for node in kept["nodes"] if "sleep_action" not in node]
            return kept
        case list():
            return [without_pauses(item) for item in document]
        case _:
            return document


class Bench:
    """A worker's browser and loop, without its queue: tasks are claimed and run one after the other."""

    def __init__(self, stack: ExitStack, portal_url: str) -> None:
        from executor import database
        from executor.browser import BrowserPool
        from executor.loop import WorkerLoop

        self._portal_url = portal_url
        self._loop = WorkerLoop()
        self._loop.start()
        stack.callback(database.close)
        stack.callback(self._loop.stop)
        self._pool = BrowserPool()
        stack.callback(lambda: self._loop.submit(self._pool.close()).result(30))
        self._loop.submit(self._pool.start()).result(60)
        self._documents: dict[str, dict[str, Any]] = {}

    def run(self, name: str, pace: str) -> tuple[float, str]:
        """Seconds from the first page to the last file, and what came of it as one text."""
        from automation import load
        from executor.pace import SETTLING
        from executor.runner import AttemptRunner
        from inference.models import Task, TaskStatus
        from inference.services.transitions import AttemptEnd, finish_attempt

        task_id, token = self._claimed(name)
        runner = AttemptRunner(
            task=Task.objects.get(id=task_id),
            automation=load(self._documents[name]),
            attempt_number=1,
            token=token,
            pool=self._pool,
            pace=literal_pace() if pace == "literal" else SETTLING,
        )
        began = time.monotonic()
        error: Exception | None = None
        try:
            self._loop.submit(runner.execute()).result(RUN_SECONDS)
        except Exception as raised:
            error = raised
        seconds = time.monotonic() - began
        status = TaskStatus.SUCCESS if error is None else TaskStatus.FAILED
        finish_attempt(task_id, token, AttemptEnd(status=status, cause={"kind": "worker"}, error=str(error or "")))
        if error is not None:
            raise RuntimeError(f"{name}, {pace}: {error}") from error
        return seconds, result_of(task_id, runner.output_data)

    def _claimed(self, name: str) -> tuple[Any, int]:
        from executor.claim import claim_task
        from inference.services.publish import publish_automation
        from inference.services.submit import submit_task
        from inference.services.transitions import start_attempt

        if name not in self._documents:
            text = (ROOT / "demo" / "automations" / f"{name}.json").read_text(encoding="utf-8")
            self._documents[name] = without_pauses(json.loads(text.replace(PORTAL, self._portal_url)))
            publish_automation(document=self._documents[name], endpoint_name=name)
        request = json.loads((ROOT / "demo" / "requests" / f"{name}.json").read_text(encoding="utf-8"))
        submit_task(endpoint_name=name, input_parameters=request["input_parameters"], api_key=None)
        task_id, token, *_ = claim_task(owner="bench:1:1", host="bench", lease_seconds=2 * RUN_SECONDS)
        if not start_attempt(task_id, token):
            raise RuntimeError("the task could not be started")
        return task_id, token


def literal_pace() -> Any:
    """The contract's pauses as they are written, for comparison only."""
    from playwright.async_api import Error as PlaywrightError

    from executor.pace import Pace
    from executor.watching import Tab

    class Literal(Pace):
        async def opened(self, tab: Tab) -> None:
            """The page has loaded; nothing else is waited for."""

        async def before_step(self, tab: Tab, seconds: float) -> None:
            await asyncio.sleep(seconds)

        async def after_step(self, tab: Tab, seconds: float) -> None:
            await asyncio.sleep(0.1)
            with contextlib.suppress(PlaywrightError):
                await tab.page.wait_for_load_state("load", timeout=max(1.0, (seconds - 0.1) * 1000))

        async def between_tries(self, *, begun: float, deadline: float, per_try_seconds: float) -> None:
            await asyncio.sleep(per_try_seconds)

    return Literal()


def result_of(task_id: Any, output_data: list[dict[str, Any]]) -> str:
    """Outputs, files and the steps' ends, as one text that can be compared."""
    from inference.models import Artifact, Step

    files = (
        Artifact.objects.filter(task_id=task_id).exclude(kind=Artifact.Kind.PICTURE).values_list("filename", flat=True)
    )
    steps = Step.objects.filter(task_id=task_id).order_by("position").values_list("label", "status")
    seen: Mapping[str, Any] = {"output": output_data, "files": sorted(files), "steps": [list(each) for each in steps]}
    return json.dumps(seen, sort_keys=True)


def measure(bench: Bench, flow: Flow, pace: str) -> None:
    try:
        seconds, result = bench.run(flow.name, pace)
    except RuntimeError as error:
        flow.failures.append(str(error))
        return
    flow.seconds[pace].append(seconds)
    flow.results.add(result)


def tell_progress(flow: Flow, number: int, runs: int) -> None:
    newest = {pace: f"{seconds[-1]:.2f} s" if seconds else "-" for pace, seconds in flow.seconds.items()}
    print(
        f"{number} of {runs}  {flow.name:30} literal {newest['literal']:>8}  settling {newest['settling']:>8}"
        f"{f'  {len(flow.failures)} failed' if flow.failures else ''}",
        file=sys.stderr,
        flush=True,
    )


def report(flows: list[Flow], options: argparse.Namespace) -> int:
    print(f"medians of {options.runs} runs of each side, in turns")
    ratios: list[float] = []
    for flow in flows:
        for failure in flow.failures:
            print(f"  FAILED {failure}")
        if not all(flow.seconds.values()):
            continue
        ratios.append(flow.ratio)
        print(
            f"  {flow.name:30} literal {flow.median('literal'):6.2f} s   settling {flow.median('settling'):6.2f} s   "
            f"{flow.ratio:5.1f} times   outputs {'the same' if len(flow.results) == 1 else 'DIFFER'}"
        )
    median = statistics.median(ratios) if ratios else 0.0
    print(f"  settling is {median:.1f} times faster in the median (reach: {REACH:g})")
    holds = median >= REACH and all(len(flow.results) == 1 and not flow.failures for flow in flows)
    if options.json:
        figures = {
            flow.name: {
                "seconds": flow.seconds,
                "ratio": flow.ratio if all(flow.seconds.values()) else None,
                "same_outputs": len(flow.results) == 1,
                "failures": flow.failures,
            }
            for flow in flows
        }
        options.json.write_text(json.dumps({"flows": figures, "ratio": median, "holds": holds}, indent=2) + "\n")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
