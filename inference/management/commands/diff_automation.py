"""`manage.py diff_automation OLD NEW`: compare two automation documents by meaning."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from automation.command_line import DIFF, Run


class Command(BaseCommand):
    help = DIFF.help
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        DIFF.add_arguments(parser)

    def handle(self, **options: Any) -> None:
        code = DIFF.run(Run(options, sys.stdin.buffer, self.stdout))
        if code:
            sys.exit(code)
