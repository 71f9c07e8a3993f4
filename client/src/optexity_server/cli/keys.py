"""Commands about API keys."""

import click

from optexity_server.cli.session import Session, server_command


@click.group()
def keys() -> None:
    """The API key in use. Keys are made on the server: manage.py create_api_key NAME --scopes submit,read"""


@keys.command()
@server_command
def check(session: Session) -> None:
    """Say whether the key works and what it may do, by requests that change nothing.

    The scope `worker` is for hosts that run tasks and is not looked at.
    """
    with session.client() as client:
        if not client.has_key:
            raise click.UsageError("there is no key to check: set OPTEXITY_SERVER_KEY, or give --key-file")
        scopes = client.scopes()
        names = [each.endpoint_name for each in client.automations.list()] if scopes["read"] else None
    lines = [f"The key works at {client.url}"]
    lines += [f"  {scope:<7} {'yes' if has else 'no'}" for scope, has in scopes.items()]
    if names is not None:
        lines.append(f"  automations: {', '.join(names) or 'none'}")
    session.output.result({"works": True, "url": client.url, "scopes": scopes, "automations": names}, "\n".join(lines))
