"""`manage.py openapi_schema`: write the API's description in OpenAPI 3.1."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from inference.openapi.schema import schema_text


class Command(BaseCommand):
    help = "Write the OpenAPI 3.1 description of the HTTP API, as /api/schema serves it."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--file", type=Path, help="where to write it; standard output if not given")

    def handle(self, *, file: Path | None, **options: Any) -> None:
        if file is None:
            self.stdout.write(schema_text(), ending="")
        else:
            file.write_text(schema_text(), encoding="utf-8")
