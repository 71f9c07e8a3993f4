"""Commands about one task: wait, logs, cancel, retry, review."""

from uuid import UUID

import click
from rich.console import Console

from optexity_server.cli.following import follow_lines, follow_to_end
from optexity_server.cli.output import Exit
from optexity_server.cli.session import Session, server_command, task_argument
from optexity_server.cli.timeline import Timeline

timeout_option = click.option(
    "--timeout", type=click.FloatRange(min=0), metavar="SECONDS", help="How long to wait (default: until it has ended)."
)


@click.command()
@task_argument
@timeout_option
@server_command
def wait(session: Session, task_id: UUID, timeout: float | None) -> Exit:
    """Wait until TASK has ended, show its steps meanwhile, and print its output data."""
    return follow_to_end(session, str(task_id), timeout)


@click.command()
@task_argument
@click.option("--follow", "-f", is_flag=True, help="Go on until the task has ended; with --json a line for each event.")
@timeout_option
@server_command
def logs(session: Session, task_id: UUID, follow: bool, timeout: float | None) -> Exit:
    """Print the timeline of TASK: its steps."""
    if follow:
        return follow_lines(session, str(task_id), timeout)
    if timeout is not None:
        raise click.UsageError("--timeout is for --follow")
    with session.client() as client:
        handle = client.handle(str(task_id))
        steps = handle.steps()
        if session.output.as_json:
            session.output.result({"task_id": handle.task_id, "steps": [each.raw for each in steps]})
            return Exit.OK
        timeline = Timeline(is_whole=True)
        timeline.status = handle.refresh().status
    timeline.see(steps)
    Console(markup=False, highlight=False).print(timeline)
    return Exit.OK


@click.command()
@task_argument
@click.option("--force", is_flag=True, help="End it now, whatever its worker does; it is killed then, not cancelled.")
@server_command
def cancel(session: Session, task_id: UUID, force: bool) -> None:
    """Have TASK stopped. One that has ended already is refused."""
    with session.client() as client:
        status = client.handle(str(task_id)).cancel(force=force)
    session.output.result({"task_id": str(task_id), "status": status}, status)


@click.command()
@task_argument
@click.option("--confirm", is_flag=True, help="Also if the act of TASK was decided to have happened.")
@server_command
def retry(session: Session, task_id: UUID, confirm: bool) -> None:
    """Submit the inputs of TASK, which has ended, again; print the new task's id."""
    with session.client() as client:
        again = client.handle(str(task_id)).retry(confirm=confirm)
    assert again.answer is not None  # noqa: S101 - a submission has its answer
    session.output.result(again.answer.raw, again.task_id)


@click.command()
@task_argument
@click.option("--happened/--did-not-happen", "happened", default=None, help="What became of the act.")
@click.option("--note", metavar="TEXT", help="Kept in the audit log of the server.")
@click.option("--retry", "run_again", is_flag=True, help="With --did-not-happen: run it again, and print the new id.")
@server_command
def review(session: Session, task_id: UUID, happened: bool | None, note: str | None, run_again: bool) -> None:
    """Decide what became of the act of TASK that was not seen to finish."""
    if happened is None:
        raise click.UsageError("say what became of it: --happened or --did-not-happen")
    if happened and run_again:
        raise click.UsageError("--retry is for --did-not-happen: it would be done twice")
    with session.client() as client:
        answer = client.handle(str(task_id)).review(happened, note=note, retry=run_again)
    session.output.result(answer.raw, answer.new_task_id or answer.decision)
