"""What the check on the browser's way out costs: a six-step task with the filtering proxy and without it.

Two warm browsers of one process run the same document against the bundled portal, one as the product starts it and
one that connects by itself. They take turns in random order within each round, so that other work on the machine
meets both. Measured is the whole attempt, from asking for a context to the last row written.

    .venv/bin/python -m bench.egress [--rounds 200] [--json FILE]
"""

import argparse
import asyncio
import json
import random
import signal
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench.settling import prepare_database

SIDES = ("with the check", "without it")
WARM_UP_ROUNDS = 5
RUN_SECONDS = 60.0
MOST_SLOWER = 0.05


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    # Stopped half-way, it still ends its browsers, its portal and its database.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with ExitStack() as stack:
        temporary = tempfile.TemporaryDirectory(prefix="bench-egress-", ignore_cleanup_errors=True)
        prepare_database(stack, Path(stack.enter_context(temporary)))
        from tests.demo.portal_process import running_portal

        portal = stack.enter_context(running_portal())
        bench = Bench(stack, portal.url)
        seconds: dict[str, list[float]] = {side: [] for side in SIDES}
        for number in range(WARM_UP_ROUNDS + options.rounds):
            for side in random.sample(SIDES, len(SIDES)):
                taken = bench.run(side)
                if number >= WARM_UP_ROUNDS:
                    seconds[side].append(taken)
            if number % 20 == 0:
                print(f"round {number} of {WARM_UP_ROUNDS + options.rounds}", file=sys.stderr, flush=True)
    return report(seconds, options)


def report(seconds: dict[str, list[float]], options: argparse.Namespace) -> int:
    checked, unchecked = (seconds[side] for side in SIDES)
    slower = statistics.median(checked) / statistics.median(unchecked) - 1
    # Of runs next to each other in time: what the machine did meanwhile drops out.
    by_round = statistics.median(a / b for a, b in zip(checked, unchecked, strict=True)) - 1
    print(f"a six-step task, medians of {options.rounds} rounds")
    for side in SIDES:
        print(f"  {side:16} {statistics.median(seconds[side]) * 1000:7.1f} ms")
    print(
        f"  the check costs {slower:+.1%} (reach: {MOST_SLOWER:.0%}); median of the rounds' own ratios {by_round:+.1%}"
    )
    if options.json:
        figures = {"seconds": seconds, "slower": slower, "slower_by_round": by_round}
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0 if slower <= MOST_SLOWER else 1


def six_steps(portal_url: str) -> dict[str, Any]:
    """Sign in, open the register and a patient, read the member ID: four documents with their scripts and styles."""

    def node(**fields: Any) -> dict[str, Any]:
        return {"type": "action_node", **fields}

    def interact(kind: str, **fields: Any) -> dict[str, Any]:
        return node(interaction_action={kind: fields})

    member_id = {
        "command": 'get_by_test_id("member-id")',
        "extraction_format": {"member_id": "str"},
        "output_variable_name": "member_id",
    }
    return {
        "url": f"{portal_url}/login",
        "parameters": {"input_parameters": {}, "generated_parameters": {"member_id": []}},
        "nodes": [
            interact("input_text", command='get_by_label("User name")', input_text="demo"),
            interact("input_text", command='get_by_label("Password")', input_text="northwind"),
            interact("click_element", command='get_by_role("button", name="Sign in")'),
            interact("click_element", command='get_by_role("link", name="Patients", exact=True)'),
            interact("go_to_url", url=f"{portal_url}/patients/1001"),
            node(extraction_action={"locator": member_id}),
        ],
    }


class Bench:
    """A worker's loop with a browser for each side; tasks are claimed and run one after the other."""

    def __init__(self, stack: ExitStack, portal_url: str) -> None:
        from automation import load
        from executor import database
        from executor.browser import BrowserPool
        from executor.loop import WorkerLoop
        from inference.services.publish import publish_automation

        class UncheckedPool(BrowserPool):
            """A browser that connects to addresses by itself, as it would without this server."""

            def _way_out(self) -> dict[str, Any]:
                return {"args": self._arguments()}

        self._loop = WorkerLoop()
        self._loop.start()
        stack.callback(database.close)
        stack.callback(self._loop.stop)
        self._pools: dict[str, BrowserPool] = dict(zip(SIDES, (BrowserPool(), UncheckedPool()), strict=True))
        for pool in self._pools.values():
            stack.callback(lambda pool=pool: self._loop.submit(pool.close()).result(30))
            self._loop.submit(pool.start()).result(60)
        document = six_steps(portal_url)
        publish_automation(document=document, endpoint_name="six-steps")
        self._automation = load(document)

    def run(self, side: str) -> float:
        """Seconds of one attempt."""
        from executor.claim import claim_task
        from executor.runner import AttemptRunner
        from inference.models import Task, TaskStatus
        from inference.services.submit import submit_task
        from inference.services.transitions import AttemptEnd, finish_attempt, start_attempt

        pool = self._pools[side]
        submit_task(endpoint_name="six-steps", input_parameters={}, api_key=None)
        task_id, token, *_ = claim_task(owner="bench:1:1", host="bench", lease_seconds=2 * RUN_SECONDS)
        start_attempt(task_id, token)
        task = Task.objects.get(id=task_id)
        # Both browsers have their next context ready: none makes it while the other is measured.
        for each in self._pools.values():
            self._loop.submit(spare_is_ready(each)).result(RUN_SECONDS)
        runner = AttemptRunner(task=task, automation=self._automation, attempt_number=1, token=token, pool=pool)
        began = time.perf_counter()
        self._loop.submit(runner.execute()).result(RUN_SECONDS)
        taken = time.perf_counter() - began
        finish_attempt(task_id, token, AttemptEnd(status=TaskStatus.SUCCESS, cause={"kind": "worker"}))
        if not runner.output_data:
            raise RuntimeError(f"{side}: nothing was read")
        return taken


async def spare_is_ready(pool: Any) -> None:
    if pool._spare is not None:  # noqa: SLF001 - of interest to nobody else
        await asyncio.wait({pool._spare})  # noqa: SLF001


if __name__ == "__main__":
    sys.exit(main())
