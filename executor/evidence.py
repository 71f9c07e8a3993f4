"""What is kept of a step that failed: the page as HTML, its console lines and its requests; and the attempt's trace.

Nothing here may hide the error that it is about, or make the step wait for long.
"""

import asyncio
import gzip
import logging
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import BrowserContext
from playwright.async_api import Error as PlaywrightError

from executor import artifacts
from executor.errors import BrowserCrashedError, RunError, first_line
from executor.masking import Masking
from executor.page_log import PageLog
from executor.page_snapshot import PageSnapshot, take_snapshot
from executor.recorder import Recorder, StepRecord
from executor.tracing import KEEP_SECONDS as KEEP_TRACE_SECONDS
from executor.tracing import start_trace, stop_trace
from executor.watching import Tab
from inference.models import Artifact
from inference.models.identifiers import uuid7

logger = logging.getLogger(__name__)

# For reading the page, masking it and storing it.
KEEP_SECONDS = 1.0
# A loop that goes on after errors may fail a thousand times; the first few tell what there is to tell.
MAX_SNAPSHOTS = 10
# A larger snapshot is compressed; a smaller one opens with a double click.
_PLAIN_MAX_BYTES = 200_000


@dataclass(slots=True)
class Evidence:
    """Collects for one attempt. `log` is fed by the tabs."""

    task_id: uuid.UUID
    attempt: int
    recorder: Recorder
    masking: Masking
    log: PageLog = field(default_factory=PageLog)
    snapshots: int = 0
    # The context that is traced, once it is.
    traced: BrowserContext | None = None

    async def keep(self, step: StepRecord, tab: Tab | None, error: BaseException) -> None:
        """Add what is known to `step.details`; never raises anything but cancellation."""
        try:
            self._keep_log(step, tab)
            if tab is None or not isinstance(error, RunError) or isinstance(error, BrowserCrashedError):
                return  # nobody answers anymore, or there is no time to ask
            if self.snapshots < MAX_SNAPSHOTS:
                self.snapshots += 1
                async with asyncio.timeout(KEEP_SECONDS):
                    await self._keep_snapshot(step, tab)
        except (TimeoutError, PlaywrightError):
            logger.info("the page gave no snapshot in time", extra={"step": step.position})
        except Exception as failure:  # the step's own error is what people must see
            logger.warning("no evidence kept: %s", type(failure).__name__, extra={"step": step.position})

    def _keep_log(self, step: StepRecord, tab: Tab | None) -> None:
        """Lines of the step, and of its page since that was opened: what is missing often failed while it loaded."""
        since = step.began
        if tab is not None and tab.activity.navigated_at:
            since = min(since, time.monotonic() - max(0.0, time.time() - tab.activity.navigated_at) - _LOADING_SECONDS)
        mask = self.masking.mask
        if lines := self.log.console_lines(since=since, step_began=step.began, mask=mask):
            step.details["console"] = lines
        if requests := self.log.request_lines(since=since, step_began=step.began, mask=mask):
            step.details["network"] = requests

    async def _keep_snapshot(self, step: StepRecord, tab: Tab) -> None:
        masking = self.masking
        snapshot = await take_snapshot(tab.page, mask=masking.mask, mask_field=masking.mask_field)
        if snapshot is None:
            return
        artifact_id = uuid7()
        data, is_compressed = await asyncio.to_thread(_packed, snapshot)
        stored = await asyncio.to_thread(artifacts.store_bytes, data, task_id=self.task_id, artifact_id=artifact_id)
        name = f"page-at-step-{step.index if step.index is not None else f'p{step.position}'}.html"
        metadata: dict[str, Any] = {"of": "snapshot", "step": step.position, "is_cut": snapshot.is_cut}
        self.recorder.add_artifact(
            Artifact.Kind.LOG,
            stored,
            artifact_id=artifact_id,
            filename=name + (".gz" if is_compressed else ""),
            content_type="application/gzip" if is_compressed else "text/html; charset=utf-8",
            metadata=metadata,
        )
        step.details["snapshot"] = {"id": str(artifact_id), "bytes": len(data), "is_cut": snapshot.is_cut}

    # --- traces ----------------------------------------------------------------------------------------------

    async def begin_trace(self, context: BrowserContext, *, has_secrets: bool) -> None:
        """Call it when the first tab is ready. A trace that cannot be taken is told, and no more."""
        try:
            await start_trace(context, has_secrets=has_secrets or self.masking.hides_something)
            self.traced = context
        except PlaywrightError as error:
            self.recorder.event("note", {"text": f"no trace is taken: {first_line(error)}"})

    async def keep_trace(self, folder: Path) -> None:
        """Store what was traced, before the context is closed; never raises anything but cancellation."""
        context, self.traced = self.traced, None
        if context is None:
            return
        try:
            async with asyncio.timeout(KEEP_TRACE_SECONDS):
                await self._store_trace(await stop_trace(context, folder, masking=self.masking))
        except Exception as failure:  # how the attempt ended matters more
            logger.warning("no trace kept: %s", type(failure).__name__, extra={"task_id": self.task_id})
            self.recorder.event("note", {"text": "the trace could not be kept"})

    async def _store_trace(self, path: Path) -> None:
        size = (await asyncio.to_thread(path.stat)).st_size
        if size > artifacts.max_bytes():
            self.recorder.event("note", {"text": f"the trace has {size} bytes, more than ARTIFACT_MAX_MB"})
            return
        artifact_id = uuid7()
        stored = await asyncio.to_thread(artifacts.store_file, path, task_id=self.task_id, artifact_id=artifact_id)
        self.recorder.add_artifact(
            Artifact.Kind.TRACE,
            stored,
            artifact_id=artifact_id,
            filename=f"trace-of-try-{self.attempt}.zip",
            content_type="application/zip",
        )


# The document's own request comes before the navigation that it becomes.
_LOADING_SECONDS = 2.0


def _packed(snapshot: PageSnapshot) -> tuple[bytes, bool]:
    data = snapshot.html.encode(errors="replace")
    return (data, False) if len(data) <= _PLAIN_MAX_BYTES else (gzip.compress(data, 6, mtime=0), True)
