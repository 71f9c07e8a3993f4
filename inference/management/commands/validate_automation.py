"""`manage.py validate_automation FILE…`: say whether automation documents load."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from automation.command_line import VALIDATE, Run


class Command(BaseCommand):
    help = VALIDATE.help
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        VALIDATE.add_arguments(parser)

    def handle(self, **options: Any) -> None:
        code = VALIDATE.run(Run(options, sys.stdin.buffer, self.stdout))
        if code:
            sys.exit(code)
