"""`manage.py create_api_key`"""

import json
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from inference.models import ApiKey, AuditEvent
from inference.services.api_keys import find_key
from tests.factories import make_automation, make_user

pytestmark = pytest.mark.django_db


def test_key_alone_is_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("create_api_key", "claims-backoffice")

    written = capsys.readouterr()
    key = find_key(written.out.strip())
    assert key == ApiKey.objects.get()
    assert (key.name, key.scopes, key.owner, key.expires_at) == ("claims-backoffice", ["read", "submit"], None, None)
    assert "Keep it now" in written.err
    assert written.out.strip() not in written.err
    assert AuditEvent.objects.get().actor == "command line"


def test_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    make_user(username="maya")
    one, two = make_automation(endpoint_name="one"), make_automation(endpoint_name="two")
    arguments = "n --scopes read,manage --expires 30 --owner maya --automation one --automation two --json"

    call_command("create_api_key", *arguments.split())

    answer = json.loads(capsys.readouterr().out)
    key = find_key(answer["key"])
    assert key is not None
    assert set(key.automations.all()) == {one, two}
    assert key.owner is not None
    assert key.expires_at is not None
    assert abs(key.expires_at - timezone.now() - timedelta(days=30)) < timedelta(minutes=1)
    assert answer["public_id"] == key.public_id
    assert (answer["scopes"], answer["owner"], answer["automations"]) == (["manage", "read"], "maya", ["one", "two"])


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        ("n --owner nobody", "There is no user “nobody”.", 1),
        ("n --automation nothing", "There is no active automation “nothing”.", 1),
        ("n --scopes all", "scopes contains 'all'", 1),
        ("n --scopes worker,submit", "a host that runs tasks needs a key of its own", 1),
        ("n --expires 0", "--expires must be at least 1 day.", 2),
    ],
)
def test_refusals_say_why(arguments: str, message: str, code: int) -> None:
    with pytest.raises(CommandError, match=message.replace(".", r"\.")) as refusal:
        call_command("create_api_key", *arguments.split())

    assert refusal.value.returncode == code
    assert ApiKey.objects.count() == 0


def test_help_tells_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        call_command("create_api_key", "--help")

    assert end.value.code == 0
    assert "Exit code: 0 made, 1 refused" in " ".join(capsys.readouterr().out.split())
