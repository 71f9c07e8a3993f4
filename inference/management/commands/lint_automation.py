"""`manage.py lint_automation FILE…`: say what a careful reviewer would say."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from automation.command_line import LINT, Run


class Command(BaseCommand):
    help = LINT.help
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        LINT.add_arguments(parser)

    def handle(self, **options: Any) -> None:
        code = LINT.run(Run(options, sys.stdin.buffer, self.stdout))
        if code:
            sys.exit(code)
