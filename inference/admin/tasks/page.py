"""The page of one task: why it ended as it did, the pictures, the timeline, what went in and came out.

Everything is computed here, from a fixed number of queries, into values that the templates only print.
"""

import hashlib
import json
import shlex
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpRequest
from django.urls import reverse

from inference.admin.counts import Counts
from inference.admin.durations import Usual, usual_durations
from inference.admin.permissions import may_cancel_tasks
from inference.admin.tasks.ahead import Ahead, nodes_ahead
from inference.admin.tasks.filters import TaskFilter
from inference.admin.tasks.log import LogLine, log_lines
from inference.admin.tasks.rows import (
    identity,
    output_summary,
    sender,
    step_name,
    task_url,
    waiting_words,
)
from inference.admin.tasks.stage import Stage, stage_of
from inference.admin.wording import (
    STEP_STATES,
    STEP_WORDS,
    Pill,
    asked,
    asking_words,
    cause_name,
    clock,
    counted,
    duration,
    ended_badly,
    error_line,
    failure_words,
    fine_duration,
    first_line,
    lowered,
    moment,
    needs_review,
    number,
    sentence,
    short_id,
    size,
    spoken_duration,
    task_pill,
    was_cancelled_by,
    was_killed_by,
)
from inference.models import Artifact, Attempt, CommitPoint, Step, StepStatus, Task, TaskEvent, TaskStatus
from inference.queries import last_picture, open_request
from inference.queue_state import COUNTED_AHEAD, Reason, WaitingFor, waiting_for
from inference.services.people import MAX_NOTE_CHARACTERS

# A loop over thousands of rows makes thousands of steps; a page that shows them all helps nobody.
SHOWN_STEPS = 400
SHOWN_EVENTS = 500
# Other failures of the automation that are looked at for "same failure".
COMPARED_FAILURES = 200
DEEPEST_INDENT = 4
# What a queued task waits for without end, unless somebody acts.
NEEDS_AN_OPERATOR = frozenset({Reason.NO_WORKER, Reason.QUEUE_PAUSED, Reason.AUTOMATION_PAUSED, Reason.LOGIN_PAUSED})
STARTS_BY_ITSELF = "It starts by itself: best priority first, then in order of arrival."
STARTS_WHEN_RESUMED = "It stays where it is in line, and starts after it is resumed."
ADVICE = {
    Reason.RETRY_PAUSE: "It starts by itself when the pause is over.",
    Reason.QUEUE_PAUSED: STARTS_WHEN_RESUMED,
    Reason.AUTOMATION_PAUSED: STARTS_WHEN_RESUMED,
    Reason.LOGIN_PAUSED: STARTS_WHEN_RESUMED,
    Reason.NO_WORKER: "Start one with bin/serve, or look at Workers.",
    Reason.TURN: "It starts by itself. Keys take turns, so those of others do not hold it up for long.",
}


@dataclass(frozen=True)
class StepRow:
    """A row of the timeline. `x` and `width` are percentages of the attempt's time."""

    step: Step
    anchor: str
    link: str
    number: str
    state: str
    word: str
    label: str
    locator: str
    error: str
    indent: str
    took: str
    since: str
    x: str
    width: str
    is_selected: bool
    picture: str


@dataclass(frozen=True)
class Why:
    """The note under the header: the cause, what is known, and facts to its right."""

    state: str
    title: str
    paragraphs: tuple[str, ...]
    locator: str
    facts: tuple[tuple[str, str, str], ...]  # name, value, link
    raw: str


@dataclass(frozen=True)
class Value:
    name: str
    text: str
    is_secret: bool = False
    is_unique: bool = False


@dataclass(frozen=True)
class FileRow:
    name: str
    link: str
    size: str
    kind: str
    why_gone: str


class TaskPage:
    """What is read of one task for its page; `context` is what the templates print."""

    def __init__(self, request: HttpRequest, task: Task, counts: Counts) -> None:
        self.request = request
        self.task = task
        self.counts = counts
        self.attempts = list(Attempt.objects.filter(task=task))
        self.attempt_number = self._chosen_attempt()
        self.steps = list(
            Step.objects.filter(task=task, attempt=self.attempt_number).select_related("picture")[: SHOWN_STEPS + 1]
        )
        self.commit_points = list(CommitPoint.objects.filter(task=task))
        self.asking = open_request(task)
        self.waiting = waiting_for(task)
        self.usual: Usual | None = usual_durations([task.automation_id]).get(task.automation_id)

    @property
    def attempt(self) -> Attempt | None:
        return next((each for each in self.attempts if each.number == self.attempt_number), None)

    @property
    def is_newest_attempt(self) -> bool:
        return not self.attempts or self.attempt_number == self.attempts[-1].number

    def etag(self) -> str:
        """Changes when anything on the page does, save clocks that the browser counts on by itself."""
        task = self.task
        newest_event = TaskEvent.objects.filter(task=task).order_by("-id").values_list("id", flat=True).first()
        parts = (
            task.status,
            task.cancel_requested_at,
            task.review,
            task.outcome_unknown,
            newest_event,
            self.attempt_number,
            len(self.attempts),
            self.asking and self.asking.id,
            [(step.position, step.status, step.picture_id, step.healed, step.error) for step in self.steps],
            [(point.id, point.finished_at) for point in self.commit_points],
            self.waiting,
        )
        return f'"{hashlib.sha256(repr(parts).encode()).hexdigest()[:32]}"'

    def selected_step(self) -> Step | None:
        """`?step=9` (the step's number, or `p12` for its position), else the one that says most."""
        wanted = self.request.GET.get("step", "")
        for step in self.steps:
            if wanted and wanted in (str(step.index), f"p{step.position}"):
                return step
        if (waiting := self._waiting_step()) is not None:
            return waiting
        return self._failed_step() or self._newest_with_picture() or (self.steps[-1] if self.steps else None)

    def stage(self, step: Step) -> Stage:
        """`step` in detail."""
        picture = self._picture(step)
        asks = "" if step != self._waiting_step() else self._asking_words()
        return stage_of(step, self.counts.now, picture_url(picture), asks=asks, no_picture=why_gone(picture))

    def context(self) -> dict[str, Any]:
        task = self.task
        selected = self.selected_step()
        lines = self._log()
        return {
            "title": f"{task.endpoint_name} {short_id(task.id)}",
            "crumbs": [{"title": "Tasks", "link": reverse("admin:inference_task_changelist")}],
            "task": task,
            "short_id": short_id(task.id),
            "pill": self._pill(),
            "head": self._head(),
            "asked": None if self.asking is None else asked(self.asking, self.counts.now),
            "request_id": "" if self.asking is None else self.asking.id,
            "note_limit": MAX_NOTE_CHARACTERS,
            "why": self._why(),
            "rows": [self._row(step, selected) for step in self.steps[:SHOWN_STEPS]],
            "has_pictures": any(picture_url(self._picture(step)) for step in self.steps[:SHOWN_STEPS]),
            "ahead": self._ahead(),
            "hidden_steps": len(self.steps) > SHOWN_STEPS,
            "why_no_steps": self._why_no_steps(),
            "axis": self._axis(),
            "tries": self._tries(),
            "timeline_note": self._timeline_note(),
            "stage": None if selected is None else self.stage(selected),
            "sent": self._sent(),
            "sent_json": _pretty(self._inputs()),
            "output": self._output(),
            "output_json": _pretty(task.output_data) if task.output_data else "",
            "output_summary": output_summary(task.output_data),
            "files": self._files(),
            "facts": self._facts(),
            "log": lines,
            "log_is_cut": len(lines) >= SHOWN_EVENTS,
            "curl": self._curl(),
            "is_live": not task.has_ended,
            "live_url": f"{reverse('admin:inference_task_page_live', args=(task.id,))}?{self._try_query()}",
            "step_url": reverse("admin:inference_task_step", args=(task.id, 0))[:-2],
            "needs_review": needs_review(task),
            "last_picture": picture_url(last_picture(task)) if needs_review(task) else "",
            "has_begun_commit": bool(self.commit_points),
            "may_cancel_now": not task.has_ended and task.cancel_requested_at is None,
            "may_kill_now": not task.has_ended and task.cancel_requested_at is not None,
            "progress": self._progress(),
            "page_url": task_url(task.id),
            "pause_key": self.waiting.pause.key if self.waiting and self.waiting.pause else "",
            "pause_login_url": self._pause_login_url(),
            "etag": self.etag(),
        }

    # --- the header

    def _pill(self) -> Pill:
        task = self.task
        if task.status == TaskStatus.QUEUED:
            return task_pill(task, fact=f"Queued for {duration((self.counts.now - task.created_at).total_seconds())}")
        failed = self._failed_step()
        if task.status == TaskStatus.FAILED and not needs_review(task) and failed and failed.index is not None:
            return task_pill(task, fact=f"Failed at step {failed.index}")
        if self.asking is not None:
            return task_pill(task, asks=True, fact=self._asking_words())
        return task_pill(task)

    def _asking_words(self) -> str:
        return asking_words(may_answer=may_cancel_tasks(self.request))

    def _head(self) -> dict[str, Any]:
        task = self.task
        tries = len(self.attempts) or 1
        possible = task.max_retries + 1
        return {
            "key": sender(task),
            "login": identity(task),
            "host": self.attempt.host if self.attempt else "",
            "sent": moment(task.created_at, self.counts.now),
            "took": self._took(),
            "since": task.started_at.isoformat() if task.started_at and not task.has_ended else "",
            "version": task.version.number,
            "version_link": self._automation_link(f"?version={task.version.number}"),
            "tries": f"try {min(self.attempt_number, max(tries, possible))} of {max(tries, possible)}",
            "priority": "" if task.priority is None else str(task.priority),
            "previous": (short_id(task.previous_task_id), task_url(task.previous_task_id))
            if task.previous_task_id
            else None,
            "again": [(short_id(again), task_url(again)) for again in self._retried_as()],
        }

    def _took(self) -> str:
        task = self.task
        if task.started_at is None:
            return ""
        end = task.completed_at or self.counts.now
        milliseconds = (end - task.started_at).total_seconds() * 1000
        return fine_duration(milliseconds) if task.completed_at else duration(milliseconds / 1000)

    def _retried_as(self) -> list[UUID]:
        if not self.task.has_ended:
            return []
        return list(
            Task.objects.filter(previous_task=self.task).order_by("created_at").values_list("id", flat=True)[:3]
        )

    # --- why

    def _why(self) -> Why | None:
        task = self.task
        if needs_review(task):
            return self._why_unknown()
        if task.status == TaskStatus.QUEUED:
            return self._why_queued()
        if task.status == TaskStatus.KILLED:
            error = sentence(first_line(task.error)) or "Stopped by force"
            return Why("killed", was_killed_by(task), (f"{error.rstrip('.')}.",), "", self._commit_facts(), "")
        if ended_badly(task):
            return self._why_failed()
        if task.status == TaskStatus.CANCELLED:
            return Why("cancelled", was_cancelled_by(task), (self._stopped_where(),), "", self._commit_facts(), "")
        return None

    def _why_failed(self) -> Why:
        task, step = self.task, self._failed_step()
        error = error_line(task.error) or error_line(step.error if step else "") or "It failed without a reason"
        title = _headline(step, error)
        paragraphs = []
        if step is not None:
            took = f", after {fine_duration(step.duration_ms)}" if step.duration_ms is not None else ""
            paragraphs.append(f"{sentence(step_name(step))}, {lowered(step.label)}{took}.")
        # What was looked for and what is nearest stands in the title and below already.
        if sentence(error) != title and not error.startswith("nothing matched "):
            paragraphs.append(f"{sentence(error).rstrip('.')}.")
        facts = [*self._history_facts(), *self._commit_facts()]
        raw = task.error or ""
        return Why(
            str(task.status),
            title,
            tuple(paragraphs),
            step.locator if step else "",
            tuple(facts),
            raw if raw.strip() != error else "",
        )

    def _why_unknown(self) -> Why:
        begun = next((point for point in self.commit_points if point.finished_at is None), None)
        act = lowered(begun.label or begun.path) if begun else "an act that can't be taken back"
        if self.task.status == TaskStatus.SUCCESS:
            what = "The task went on without it and succeeded, but the act was begun and not seen to finish."
        else:
            error = first_line(self.task.error) or was_cancelled_by(self.task)
            what = f"{sentence(error).rstrip('.')}, after the act was begun and before it was seen to finish."
        return Why(
            "review",
            f"Nobody knows whether it was done: {act}",
            (
                what,
                "Look at the last picture, or in the other system, and decide.",
            ),
            "",
            self._commit_facts(),
            "",
        )

    def _why_queued(self) -> Why | None:
        waiting = self.waiting
        if waiting is None:
            return None
        facts = [
            ("Ahead of it", self._ahead_words(waiting), ""),
            *(
                ("Held by" if place == 0 else "", short_id(holder), task_url(holder))
                for place, holder in enumerate(waiting.holders)
            ),
            ("Running", counted(self.counts.running, "task"), self._list_link(view="running")),
            ("Workers", str(self.counts.workers), ""),
            ("Usually takes", spoken_duration(self.usual.median) if self.usual else "not known", ""),
        ]
        if waiting.since is not None:
            since = "Paused" if waiting.pause else "Last worker seen"
            facts.insert(0, (since, moment(waiting.since, self.counts.now).text, ""))
        state = "review" if waiting.reason in NEEDS_AN_OPERATOR else "queued"
        words = waiting_words(waiting, self.counts.now)
        return Why(state, words, (ADVICE.get(waiting.reason, STARTS_BY_ITSELF),), "", tuple(facts), "")

    def _pause_login_url(self) -> str:
        """Where to pause the login, for tasks that have one to themselves."""
        if self.task.has_ended or not self.task.is_dedicated:
            return ""
        return f"{reverse('admin:inference_queuepause_pause')}?{urlencode({'task': str(self.task.id)})}"

    def _ahead_words(self, waiting: WaitingFor) -> str:
        if waiting.position is None:
            return f"{number(COUNTED_AHEAD)} or more"
        if waiting.position == 1:
            return "none"
        whose = "of the same key" if self.task.api_key_id else "without a key"
        return f"{number(waiting.position - 1)} {whose}"

    def _history_facts(self) -> list[tuple[str, str, str]]:
        """When it last worked, and how often it failed the same way since."""
        task = self.task
        facts = []
        others = Task.objects.filter(automation_id=task.automation_id, created_at__lte=self.counts.now)
        good = (
            others.filter(status=TaskStatus.SUCCESS)
            .order_by("-created_at", "-id")
            .values_list("id", "completed_at")
            .first()
        )
        if good is None or good[1] is None:
            facts.append(("Last worked", "not yet", ""))
        else:
            facts.append(("Last worked", moment(good[1], self.counts.now).text, task_url(good[0])))
        error = (task.error or "")[:200]
        if error:
            newest = others.order_by("-created_at", "-id").values("pk")[:COMPARED_FAILURES]
            same = Task.objects.filter(pk__in=newest, error__startswith=error).exclude(pk=task.pk).count()
            link = self._list_link(automation_id=task.automation_id, error=first_line(error, 200).rstrip("…"))
            facts.append(("Same failure", counted(same, "other run") if same else "only here", link if same else ""))
        return facts

    def _commit_facts(self) -> tuple[tuple[str, str, str], ...]:
        """Was anything sent? The journal of commit points knows."""
        if not self.commit_points:
            return (("Was anything sent?", "No commit point was reached", ""),)
        if any(point.finished_at is None for point in self.commit_points):
            return (("Was anything sent?", "Not known", ""),)
        names = ", ".join(point.label or point.path for point in self.commit_points)
        return (("Was anything sent?", f"Yes: {names}", ""),)

    def _stopped_where(self) -> str:
        if not self.steps:
            return "It had not begun."
        last = self.steps[-1]
        return f"It was at {lowered(step_name(last))}, {lowered(last.label)}."

    # --- timeline and picture

    def _row(self, step: Step, selected: Step | None) -> StepRow:
        begin, span = self._scale()
        offset = max(0.0, (step.started_at - begin).total_seconds() * 1000)
        length = step.duration_ms
        if length is None:
            length = max(0, int((self._end() - step.started_at).total_seconds() * 1000))
        x = min(99.5, 100 * offset / span)
        width = max(0.5, min(100 - x, 100 * length / span))
        key = str(step.index) if step.index is not None else f"p{step.position}"
        is_running = step.status == StepStatus.RUNNING and not self.task.has_ended
        asks = step == self._waiting_step()
        picture = self._picture(step)
        return StepRow(
            step=step,
            anchor=f"step-{key}",
            link=f"?{self._try_query()}&step={key}" if self._try_query() else f"?step={key}",
            number="" if step.index is None else str(step.index),
            state="human" if asks else STEP_STATES[StepStatus(step.status)],
            word=self._asking_words() if asks else STEP_WORDS[StepStatus(step.status)],
            label=step.label,
            locator=step.locator or (step.url if step.kind == "go_to_url" else ""),
            error=error_line(step.error),
            indent=f"ox-in{min(step.depth, DEEPEST_INDENT)}" if step.depth else "",
            took="skipped" if step.status == StepStatus.SKIPPED else fine_duration(length),
            since=step.started_at.isoformat() if is_running else "",
            x=f"{x:.2f}%",
            width=f"{width:.2f}%",
            is_selected=selected is not None and step.position == selected.position,
            picture=picture_url(picture),
        )

    def _waiting_step(self) -> Step | None:
        """The step that waits for a person now."""
        asking = self.asking
        if asking is None or asking.attempt != self.attempt_number:
            return None
        return next((step for step in self.steps if step.position == asking.step_position), None)

    def _picture(self, step: Step) -> Artifact | None:
        """A step's own picture; while it waits for a person, the page that it asks about."""
        asking = self.asking
        return asking.picture if asking is not None and step == self._waiting_step() else step.picture

    def _scale(self) -> tuple[datetime, float]:
        """Where the waterfall begins, and how many milliseconds it spans."""
        attempt = self.attempt
        begin = attempt.started_at if attempt and attempt.started_at else None
        if self.steps and (begin is None or self.steps[0].started_at < begin):
            begin = self.steps[0].started_at
        if begin is None:
            begin = self.task.created_at
        return begin, max(1.0, (self._end() - begin).total_seconds() * 1000)

    def _end(self) -> datetime:
        attempt = self.attempt
        if attempt is not None and attempt.ended_at is not None:
            end: datetime = attempt.ended_at
        elif self.task.completed_at is not None:
            end = self.task.completed_at
        else:
            end = self.counts.now
        return end

    def _axis(self) -> list[str]:
        if not self.steps:
            return []
        _, span = self._scale()
        return [
            "0 s",
            *(f"{span * part / 4000:.{0 if span > 8000 else 1}f}" for part in (1, 2, 3)),
            fine_duration(span),
        ]

    def _tries(self) -> list[tuple[str, str, bool]]:
        if len(self.attempts) < 2:
            return []
        return [
            (f"Try {each.number}", f"?try={each.number}", each.number == self.attempt_number) for each in self.attempts
        ]

    def _timeline_note(self) -> str:
        attempt = self.attempt
        if attempt is None or attempt.started_at is None:
            return ""
        note = f"try {attempt.number}, from {clock(attempt.started_at)[:8]}"
        if attempt.error and not self.is_newest_attempt:
            note += f": {first_line(attempt.error, 120)}"
        return note

    def _ahead(self) -> list[Ahead]:
        """Only where it tells something: the newest try of a task that did not get to its end."""
        if self.task.status in (TaskStatus.SUCCESS, TaskStatus.QUEUED) or not self.is_newest_attempt or not self.steps:
            return []
        return nodes_ahead(self.task.version_id, self.steps)

    def _progress(self) -> tuple[str, str] | None:
        """`Step 5 of 11` and its share, while it runs."""
        total = self.task.version.step_count
        done = max((step.index for step in self.steps if step.index is not None), default=0)
        if self.task.has_ended or not total or not done:
            return None
        return f"{min(done, total)} of {total}", f"{min(100.0, 100 * done / total):.0f}%"

    def _failed_step(self) -> Step | None:
        """The last one that failed: the innermost, since loops and branches begin before what is in them."""
        failed = [step for step in self.steps if step.status == StepStatus.FAILED]
        tells = self.task.status != TaskStatus.SUCCESS or needs_review(self.task)
        return failed[-1] if failed and tells else None

    def _newest_with_picture(self) -> Step | None:
        return next((step for step in reversed(self.steps) if step.picture_id is not None), None)

    # --- what went in and came out

    def _sent(self) -> list[Value]:
        task = self.task
        values = [
            Value(name, _listed(given), is_unique=name in task.unique_parameter_names)
            for name, given in self._inputs().items()
        ]
        return values + [
            Value(name, _secret_source(references), is_secret=True)
            for name, references in task.secure_parameters.items()
        ]

    def _inputs(self) -> dict[str, Any]:
        """In the order in which the automation declares them; the database keeps none in JSON objects."""
        order = {name: position for position, name in enumerate(self.task.version.input_names)}
        return dict(sorted(self.task.input_parameters.items(), key=lambda item: order.get(item[0], len(order))))

    def _output(self) -> list[Value]:
        found: list[Value] = []
        for item in self.task.output_data:
            data = item.get("json_data") if isinstance(item, dict) else None
            if isinstance(data, dict):
                found += [Value(name, _listed(value)) for name, value in data.items()]
            elif isinstance(item, dict) and item.get("text"):
                found.append(Value(str(item.get("unique_identifier") or "text"), first_line(str(item["text"]))))
        return found[:40]

    def _files(self) -> list[FileRow]:
        shown = Artifact.objects.filter(task=self.task).exclude(kind=Artifact.Kind.PICTURE)
        return [
            FileRow(
                file.filename, picture_url(file), size(file.size_bytes), _file_kind(file), file.get_removal_display()
            )
            for file in shown[:200]
        ]

    def _facts(self) -> list[tuple[str, str, str]]:
        task, attempt = self.task, self.attempt
        facts: list[tuple[str, str, str]] = []
        if task.allocated_at is not None:
            waited = (task.allocated_at - max(task.created_at, task.available_at)).total_seconds() * 1000
            facts.append(("Waited", fine_duration(max(0.0, waited)), ""))
        if attempt is not None:
            facts.append(("Host", attempt.host, ""))
        facts.append(("Time limit", f"{task.max_timeout_in_minutes} min", ""))
        facts.append(("Priority", "none" if task.priority is None else str(task.priority), ""))
        if task.is_dedicated:
            facts.append(("Login", "one task at a time", ""))
        if self.usual is not None:
            facts.append(("Usually", spoken_duration(self.usual.median), ""))
        if isinstance(task.review, dict):
            facts.append(("Decided", _decision(task.review), ""))
        if task.notes:
            facts.append(("Notes", first_line(task.notes), ""))
        return facts

    def _log(self) -> list[LogLine]:
        newest = TaskEvent.objects.filter(task=self.task).order_by("-id")[:SHOWN_EVENTS]
        return log_lines(sorted(newest, key=lambda event: (event.at, event.id)))

    def _why_no_steps(self) -> str:
        """When there were some: the housekeeping left word."""
        if self.steps or not self.task.has_ended:
            return ""
        left = TaskEvent.objects.filter(task=self.task, kind="housekeeping").order_by("id").last()
        return str(left.data.get("text", "")) if left is not None and isinstance(left.data, dict) else ""

    def _curl(self) -> str:
        task = self.task
        body: dict[str, Any] = {"endpoint_name": task.endpoint_name, "input_parameters": self._inputs()}
        if task.secure_parameters:
            body["secure_parameters"] = task.secure_parameters
        if task.unique_parameter_names:
            body["unique_parameter_names"] = task.unique_parameter_names
        if task.is_dedicated:
            body["is_dedicated"] = True
        return curl_command(self.request, body)

    # --- links

    def _chosen_attempt(self) -> int:
        newest = self.attempts[-1].number if self.attempts else 1
        wanted = self.request.GET.get("try", "")
        return int(wanted) if wanted in {str(each.number) for each in self.attempts} else newest

    def _try_query(self) -> str:
        return urlencode({"try": self.attempt_number}) if not self.is_newest_attempt else ""

    def _automation_link(self, tail: str = "") -> str:
        if not self.request.user.has_perm("inference.view_automation"):
            return ""
        return reverse("admin:inference_automation_change", args=(self.task.automation_id,)) + tail

    def _list_link(self, **wanted: Any) -> str:
        return reverse("admin:inference_task_changelist") + TaskFilter(**wanted).link()


def _file_kind(artifact: Artifact) -> str:
    """What it is, and how a trace is looked at: it is for a program, not for a browser."""
    if artifact.kind == Artifact.Kind.TRACE:
        return "Trace, for npx playwright show-trace"
    if isinstance(artifact.metadata, dict) and artifact.metadata.get("of") == "snapshot":
        return "Page of a failed step"
    return artifact.get_kind_display()


def picture_url(artifact: Artifact | None) -> str:
    """Where its bytes are; "" when there are none, or none any more."""
    if artifact is None or not artifact.is_there:
        return ""
    return reverse("admin:inference_task_artifact", args=(artifact.pk,))


def why_gone(artifact: Artifact | None) -> str:
    """A sentence for a file that is not there any more."""
    return artifact.get_removal_display() if artifact is not None else ""


def curl_command(request: HttpRequest, body: dict[str, Any], key: str = "$OPTEXITY_API_KEY") -> str:
    """A call that a shell runs as it stands; the key comes from the caller's environment unless it is given."""
    address = request.build_absolute_uri("/api/v1/inference")
    parts = (
        f"curl {shlex.quote(address)}",
        f'-H "x-api-key: {key}"',
        '-H "Content-Type: application/json"',
        f"-d {shlex.quote(json.dumps(body, ensure_ascii=False))}",
    )
    return " \\\n  ".join(parts)


def _listed(value: Any) -> str:
    """A value in a table: a list's items, one after the other."""
    if isinstance(value, list):
        return ", ".join(_listed(each) for each in value) if value else "empty"
    if isinstance(value, str):
        return value
    if value is None:
        return "none"
    return json.dumps(value, ensure_ascii=False)


def _secret_source(references: Any) -> str:
    names = {
        "onepassword": "1Password",
        "amazon_secrets_manager": "AWS Secrets Manager",
        "totp": "one-time code",
        "vault": "vault",
    }
    sources = [
        words
        for reference in (references if isinstance(references, list) else [references])
        for name, words in names.items()
        if isinstance(reference, dict) and reference.get(name)
    ]
    return ", ".join(sources) or "secret"


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _decision(review: dict[str, Any]) -> str:
    words = "it happened" if review.get("happened") else "it did not happen"
    who = cause_name(review.get("by"))
    return f"{words}, {who}" if who else words


def _headline(step: Step | None, error: str) -> str:
    return sentence(failure_words(step.label, step.error) if step is not None and step.error else error)
