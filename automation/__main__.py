"""`python -m automation validate|lint|explain|diff|schema`: the language's tools, without Django."""

import os
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from io import TextIOWrapper

from automation.command_line import COMMANDS, Run


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command, and return its exit code."""
    parser = ArgumentParser(prog="python -m automation", description="Tools for automation documents.")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_arguments(subparsers.add_parser(command.name, help=command.help, description=command.help))
    options = vars(parser.parse_args(arguments))
    chosen = next(command for command in COMMANDS if command.name == options["command"])
    return chosen.run(Run(options, sys.stdin.buffer, sys.stdout))


if __name__ == "__main__":
    if isinstance(sys.stdout, TextIOWrapper):
        # A terminal of another encoding gets escapes for the characters that it lacks, and no traceback.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code = main()
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader had enough, as `head` does. Python would complain once more when it closes the output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    sys.exit(code)
