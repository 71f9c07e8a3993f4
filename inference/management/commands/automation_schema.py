"""`manage.py automation_schema`: write the JSON Schema of automation documents."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from automation.command_line import SCHEMA, Run


class Command(BaseCommand):
    help = SCHEMA.help
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        SCHEMA.add_arguments(parser)

    def handle(self, **options: Any) -> None:
        code = SCHEMA.run(Run(options, sys.stdin.buffer, self.stdout))
        if code:
            sys.exit(code)
