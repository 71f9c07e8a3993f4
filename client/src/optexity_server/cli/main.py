"""`optexity-server COMMAND`: the commands, and nothing that a library user needs."""

import click
from click.shell_completion import get_completion_class

from optexity_server.cli.artifacts import artifacts
from optexity_server.cli.automations import automations
from optexity_server.cli.export import export
from optexity_server.cli.keys import keys
from optexity_server.cli.submitting import run, submit
from optexity_server.cli.tasks import cancel, logs, retry, review, wait
from optexity_server.version import __version__

PROGRAM = "optexity-server"

EXIT_CODES = """\b
Exit codes:
  0  done; for a task that was waited for: it succeeded
  1  the task failed or was cancelled, or the request was refused
  2  wrong use
  3  the server cannot be reached, or is not available
  4  the task has not ended in time; it goes on
"""


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, epilog=EXIT_CODES)
@click.version_option(__version__, prog_name=PROGRAM)
def cli() -> None:
    """Submit browser automations to an Optexity Server, watch them, and fetch what they found.

    The server's address is taken from OPTEXITY_SERVER_URL and the API key from OPTEXITY_SERVER_KEY.
    """


@cli.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script that completes this program's words in a shell."""
    kind = get_completion_class(shell)
    assert kind is not None, shell  # noqa: S101 - the choices above are those that click has
    completer = kind(cli, {}, PROGRAM, f"_{PROGRAM.replace('-', '_')}_COMPLETE".upper())
    # Not `source()`, which starts the shell to see its version.
    click.echo(completer.source_template % completer.source_vars())


for command in (submit, run, wait, logs, cancel, retry, review, artifacts, automations, keys, export):
    cli.add_command(command)


def main() -> None:
    cli(prog_name=PROGRAM)
