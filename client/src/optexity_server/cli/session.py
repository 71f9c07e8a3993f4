"""What every command has: the options about the server, the output, and one place where errors become exit codes."""

import errno
import functools
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from optexity_server.async_client import AsyncClient
from optexity_server.cli.output import Exit, Output
from optexity_server.client import Client
from optexity_server.connection import DEFAULT_URL, KEY_VARIABLE, URL_VARIABLE
from optexity_server.errors import InsecureConnectionWarning, OptexityError

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


class Session:
    """How a command reaches the server and the person."""

    def __init__(self, url: str | None, key_file: Path | None, *, as_json: bool) -> None:
        self.output = Output(as_json=as_json)
        self._url = url
        self._key = None if key_file is None else key_file.read_text(encoding="utf-8", errors="replace").strip()
        if self._key == "":
            raise click.UsageError("--key-file: the file is empty")

    def client(self) -> Client:
        return self._warned(lambda: Client(self._url, self._key))

    def async_client(self) -> AsyncClient:
        return self._warned(lambda: AsyncClient(self._url, self._key))

    def _warned(self, make: Callable[[], T]) -> T:
        """What `make` makes, with its warnings in the words of the command line. Raises click.UsageError."""
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always", InsecureConnectionWarning)
            try:
                made = make()
            except ValueError as error:
                raise click.UsageError(str(error)) from None
        for each in told:
            self.output.say(f"Warning: {each.message}")
        return made


def server_command(function: F) -> F:
    """Adds the common options, and passes a Session as the first argument. A result of `function` is the exit code."""

    @click.option("--url", metavar="URL", help=f"The server (default ${URL_VARIABLE}, else {DEFAULT_URL}).")
    @click.option(
        "--key-file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help=f"A file with the API key (default ${KEY_VARIABLE}). There is no option for the key itself: other "
        "users of the machine can see the arguments of a program.",
    )
    @click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout, and nothing else there.")
    @functools.wraps(function)
    def command(*arguments: Any, url: str | None, key_file: Path | None, as_json: bool, **options: Any) -> None:
        context = click.get_current_context()
        session = Session(url, key_file, as_json=as_json)
        try:
            code = function(session, *arguments, **options)
        except KeyboardInterrupt:
            code = Exit.INTERRUPTED
        except OptexityError as error:
            code = session.output.fail(error)
        except UnicodeError:
            # Its message would repeat the text.
            raise click.UsageError("an argument or a file is not in UTF-8") from None
        except ValueError as error:
            raise click.UsageError(str(error)) from None
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise  # whoever read the output has gone; click knows that
            code = session.output.fail(error)
        context.exit(int(code or Exit.OK))

    return command  # type: ignore[return-value]  # click's options change what it is called with


task_argument = click.argument("task_id", metavar="TASK", type=click.UUID)
