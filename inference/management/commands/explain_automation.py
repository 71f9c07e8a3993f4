"""`manage.py explain_automation FILE…`: say in words what automation documents will do."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from automation.command_line import EXPLAIN, Run


class Command(BaseCommand):
    help = EXPLAIN.help
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        EXPLAIN.add_arguments(parser)

    def handle(self, **options: Any) -> None:
        code = EXPLAIN.run(Run(options, sys.stdin.buffer, self.stdout))
        if code:
            sys.exit(code)
