"""Asks a person, and waits for the answer while the page stays open."""

import asyncio
import logging
import time
import uuid

from django.conf import settings
from django.db import InterfaceError, OperationalError

from executor import artifacts
from executor.database import in_database, in_database_patiently
from executor.errors import LeaseLostError, PersonGaveUpError
from executor.run import Run
from inference.models import Artifact, PersonRequest
from inference.models.identifiers import uuid7

logger = logging.getLogger(__name__)

# The answer's transaction notifies the supervisor, which tells us; this makes good a notification that was lost.
LOOK_EVERY_SECONDS = 2.0


def is_enabled() -> bool:
    """Whether there are people to ask (HUMAN_IN_LOOP)."""
    return bool(settings.HUMAN_IN_LOOP)


async def ask_person(run: Run, *, question: str, max_seconds: float) -> bool:
    """Show `question` with a picture of the page until somebody answers; True: go on, False: nobody did in time.

    Ask `is_enabled` first. Raises PersonGaveUpError when the answer is that the task cannot go on,
    BrowserCrashedError when the page has gone meanwhile, and LeaseLostError when the task is not this worker's any
    more.
    """
    request_id = uuid7()
    picture_id = await _keep_picture(run)
    # From here on it is nobody's fault that time goes by.
    with run.person_clock.waiting():
        await run.recorder.ask(
            request_id, step=run.step, question=question, max_seconds=max_seconds, picture_id=picture_id
        )
        outcome, note = await _wait_for_outcome(run, request_id, max_seconds)
    match outcome:
        case PersonRequest.Outcome.CONTINUE:
            return True
        case PersonRequest.Outcome.GIVE_UP:
            raise PersonGaveUpError(f"a person gave up: {note}" if note else "a person gave up")
        case PersonRequest.Outcome.TIMED_OUT:
            return False
        case _:
            raise LeaseLostError(f"the question of task {run.task_id} was withdrawn")


async def _wait_for_outcome(run: Run, request_id: uuid.UUID, max_seconds: float) -> tuple[str, str]:
    """Outcome and note; at the end of the time, the question is closed by us."""
    ends_at = time.monotonic() + max_seconds
    while (left := ends_at - time.monotonic()) > 0:
        found = await _look(run, request_id)
        if found is not None:
            return found
        _ = run.tab  # a person can do nothing in a page that has crashed
        await run.person_clock.told(seconds=min(left, LOOK_EVERY_SECONDS))
    await run.recorder.stop_asking(request_id)
    # An answer that came at the last moment was faster.
    return await in_database_patiently(_outcome, request_id) or (PersonRequest.Outcome.WITHDRAWN, "")


async def _look(run: Run, request_id: uuid.UUID) -> tuple[str, str] | None:
    """Outcome and note of a closed question; None while it is open, or the database is away."""
    try:
        return await in_database(_outcome, request_id)
    except (OperationalError, InterfaceError) as error:
        logger.warning("cannot look for an answer: %s", type(error).__name__, extra={"task_id": str(run.task_id)})
        return None


def _outcome(request_id: uuid.UUID) -> tuple[str, str] | None:
    found = PersonRequest.objects.filter(id=request_id).values_list("closed_at", "outcome", "note").first()
    if found is None:  # deleted with its task
        return PersonRequest.Outcome.WITHDRAWN, ""
    closed_at, outcome, note = found
    return None if closed_at is None else (outcome, note)


async def _keep_picture(run: Run) -> uuid.UUID | None:
    """What the person will see; None when the page cannot be photographed, which is no reason not to ask."""
    pictures = run.tab.pictures
    frame = await pictures.screenshot() or pictures.newest
    if frame is None:
        return None
    artifact_id = uuid7()
    stored = await asyncio.to_thread(artifacts.store_bytes, frame.jpeg, task_id=run.task_id, artifact_id=artifact_id)
    run.recorder.add_artifact(
        Artifact.Kind.PICTURE,
        stored,
        artifact_id=artifact_id,
        filename=f"question-{run.step.position}.jpg",
        content_type="image/jpeg",
    )
    return artifact_id
