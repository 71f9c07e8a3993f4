"""Commands about a task's files."""

from pathlib import Path
from uuid import UUID

import click

from optexity_server.cli.output import Exit
from optexity_server.cli.session import Session, server_command, task_argument
from optexity_server.files import distinct_names

kind_option = click.option("--kind", metavar="KIND", help="Only files of this kind, such as download or screenshot.")


@click.group()
def artifacts() -> None:
    """The files of a task: downloads, pictures, traces."""


@artifacts.command("list")
@task_argument
@kind_option
@server_command
def list_command(session: Session, task_id: UUID, kind: str | None) -> None:
    """List the files of TASK."""
    with session.client() as client:
        found = [each for each in client.handle(str(task_id)).artifacts() if kind in (None, each.kind)]
    lines = [f"{each.artifact_id}  {each.kind:<12} {each.size_bytes or 0:>10}  {each.filename}" for each in found]
    session.output.result(
        {"task_id": str(task_id), "artifacts": [each.raw for each in found]}, "\n".join(lines) if lines else None
    )


@artifacts.command()
@task_argument
@kind_option
@click.option(
    "--to",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="The folder for them, made if it is missing (default: the current one).",
)
@click.option("--overwrite", is_flag=True, help="Replace files of the same name.")
@server_command
def download(session: Session, task_id: UUID, kind: str | None, folder: Path, overwrite: bool) -> Exit:
    """Save the files of TASK. Those that the server has removed are named and left out."""
    saved = []
    with session.client() as client:
        found = [each for each in client.handle(str(task_id)).artifacts() if kind in (None, each.kind)]
        there = [each for each in found if each.removed is None]
        for gone in (each for each in found if each.removed is not None):
            session.output.say(f"{gone.filename} is gone: {gone.removed}")
        folder.mkdir(parents=True, exist_ok=True)
        for artifact, name in zip(there, distinct_names(there), strict=True):
            path = artifact.save(folder / name, overwrite=overwrite)
            saved.append({"artifact_id": artifact.artifact_id, "path": str(path), "size_bytes": artifact.size_bytes})
            if not session.output.as_json:
                session.output.result(None, str(path))
    session.output.result({"task_id": str(task_id), "saved": saved})
    return Exit.OK
