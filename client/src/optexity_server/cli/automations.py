"""Commands about automations."""

import json
from typing import Any, TextIO

import click

from optexity_server.cli.output import Exit, Output, pretty
from optexity_server.cli.session import Session, server_command
from optexity_server.models import Remark

document_argument = click.argument("file", type=click.File(encoding="utf-8-sig"))
name_argument = click.argument("endpoint_name", metavar="NAME")


@click.group()
def automations() -> None:
    """The automations of the server."""


@automations.command("list")
@server_command
def list_command(session: Session) -> None:
    """List the active ones that the key may use."""
    with session.client() as client:
        found = client.automations.list()
    lines = [f"{each.endpoint_name}  version {each.version}  ({', '.join(each.input_parameters)})" for each in found]
    session.output.result({"automations": [each.raw for each in found]}, "\n".join(lines) if lines else None)


@automations.command()
@name_argument
@server_command
def get(session: Session, endpoint_name: str) -> None:
    """Print the newest document of NAME; with --json the whole answer."""
    with session.client() as client:
        found = client.automations.get(endpoint_name)
    session.output.result(found.raw, pretty(found.document))


@automations.command()
@name_argument
@document_argument
@click.option("--note", default="", help="What has changed.")
@server_command
def put(session: Session, endpoint_name: str, file: TextIO, note: str) -> None:
    """Publish the document in FILE (- is stdin) as NAME."""
    document = _document(file)
    with session.client() as client:
        published = client.automations.put(endpoint_name, document, note=note)
    _remark(session.output, "warning", published.warnings)
    _remark(session.output, "note", published.findings)
    new = "published" if published.is_new_version else "is the newest already"
    session.output.result(published.raw, f"{published.endpoint_name} version {published.version} {new}")


@automations.command()
@name_argument
@document_argument
@server_command
def validate(session: Session, endpoint_name: str, file: TextIO) -> Exit:
    """Say what is wrong with the document in FILE (- is stdin); changes nothing."""
    document = _document(file)
    with session.client() as client:
        found = client.automations.validate(endpoint_name, document)
    _remark(session.output, "problem", found.problems)
    _remark(session.output, "warning", found.warnings)
    _remark(session.output, "note", found.findings)
    session.output.result(found.raw, "valid" if found.valid else "not valid")
    return Exit.OK if found.valid else Exit.FAILED


@automations.command()
@name_argument
@server_command
def deactivate(session: Session, endpoint_name: str) -> None:
    """Take no more tasks for NAME; those that are there stay."""
    with session.client() as client:
        client.automations.delete(endpoint_name)
    session.output.result({"endpoint_name": endpoint_name, "active": False}, f"{endpoint_name} is inactive")


def _document(file: TextIO) -> dict[str, Any]:
    try:
        document = json.load(file)
    except ValueError:
        raise click.UsageError("FILE: this is no JSON in UTF-8") from None
    if not isinstance(document, dict):
        raise click.UsageError("FILE: a document is a JSON object")
    return document


def _remark(output: Output, what: str, remarks: tuple[Remark, ...]) -> None:
    for each in remarks:
        where = f"{each.path}: " if each.path else ""
        output.say(f"{each.severity or what}: {where}{each.message}")
