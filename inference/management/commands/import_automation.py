"""`manage.py import_automation FILE`: publish an automation's JSON."""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from automation import Problem
from automation.reports import Style, finding_lines, problem_lines, read_document
from inference.errors import ValidationFailedError
from inference.models import AutomationVersion
from inference.services.publish import publish_automation
from inference.services.review import review

_PLAIN = Style(color=False)


class Command(BaseCommand):
    help = (
        "Publish an automation from a JSON file, as a new version if there is one of that name. "
        "What the linter says about it is told, too. Exit code: 0 published or unchanged, 1 not usable, 2 wrong use."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="The automation's JSON.")
        parser.add_argument("--endpoint-name", help="Its name in the API (default: the file's name without .json).")
        parser.add_argument("--note", default="", help="What changed, for the list of versions.")
        parser.add_argument("--json", action="store_true", help="Write one JSON object instead of sentences.")

    def handle(self, *, file: Path, endpoint_name: str | None, note: str, **options: Any) -> None:
        name = endpoint_name or file.stem
        read = read_document(str(file), sys.stdin.buffer)
        found = review(read)
        if found.problems:
            self._tell(problem_lines(read, found.problems, "json" if options["json"] else "text", _PLAIN))
            raise CommandError(f"{file} is not usable: {_first_of(found.problems)}")
        before = _newest_number(name)
        try:
            version = publish_automation(document=read.document, endpoint_name=name, note=note, actor="command line")
        except ValidationFailedError as error:
            raise CommandError(error.message) from error
        if options["json"]:
            told = {"endpoint_name": name, "version": version.number, "is_new": version.number != before}
            findings = [finding._asdict() for finding in found.findings]
            self.stdout.write(json.dumps(told | {"findings": findings}, ensure_ascii=False))
            return
        if version.number != before:
            self.stdout.write(f"Published {name} version {version.number} ({version.step_count} nodes).")
        else:
            self.stdout.write(f"{name} version {version.number} is this document already; nothing changed.")
        if serious := [finding for finding in found.findings if finding.severity != "info"]:
            self._tell(finding_lines(read, serious, "text", _PLAIN))

    def _tell(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.stdout.write(line)


def _first_of(problems: Sequence[Problem]) -> str:
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{problems[0].path} {problems[0].message}".strip() + more


def _newest_number(endpoint_name: str) -> int | None:
    versions = AutomationVersion.objects.filter(automation__endpoint_name=endpoint_name, automation__is_active=True)
    return versions.order_by("-number").values_list("number", flat=True).first()
