"""`manage.py import_automation FILE`: publish an automation's JSON."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from inference.errors import ValidationFailedError
from inference.models import AutomationVersion
from inference.parsers import parse_json
from inference.services.publish import check_document, publish_automation


class Command(BaseCommand):
    help = (
        "Publish an automation from a JSON file, as a new version if there is one of that name. "
        "Exit code: 0 published or unchanged, 1 not usable (each problem on a line: path: message), 2 wrong use."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="The automation's JSON.")
        parser.add_argument("--endpoint-name", help="Its name in the API (default: the file's name without .json).")
        parser.add_argument("--note", default="", help="What changed, for the list of versions.")
        parser.add_argument("--json", action="store_true", help="Write one JSON object instead of sentences.")

    def handle(self, *, file: Path, endpoint_name: str | None, note: str, **options: Any) -> None:
        name = endpoint_name or file.stem
        document = _read(file)
        problems = check_document(document)
        if problems:
            if options["json"]:
                told = [{"path": problem.path, "message": problem.message} for problem in problems]
                self.stdout.write(json.dumps({"problems": told}, ensure_ascii=False))
            else:
                for problem in problems:
                    self.stdout.write(f"{problem.path or 'document'}: {problem.message}")
            raise CommandError(f"{file} is not usable: {len(problems)} problem(s).")
        before = _newest_number(name)
        try:
            version = publish_automation(document=document, endpoint_name=name, note=note, actor="command line")
        except ValidationFailedError as error:
            raise CommandError(error.message) from error
        is_new = version.number != before
        if options["json"]:
            self.stdout.write(
                json.dumps({"endpoint_name": name, "version": version.number, "is_new": is_new}, ensure_ascii=False)
            )
        elif is_new:
            self.stdout.write(f"Published {name} version {version.number} ({version.step_count} nodes).")
        else:
            self.stdout.write(f"{name} version {version.number} is this document already; nothing changed.")


def _read(file: Path) -> Any:
    try:
        return parse_json(file.read_bytes())
    except OSError as error:
        raise CommandError(f"Cannot read {file}: {error.strerror}.") from error
    except ValidationFailedError as error:
        raise CommandError(f"{file}: {error.message}") from error


def _newest_number(endpoint_name: str) -> int | None:
    versions = AutomationVersion.objects.filter(automation__endpoint_name=endpoint_name, automation__is_active=True)
    return versions.order_by("-number").values_list("number", flat=True).first()
