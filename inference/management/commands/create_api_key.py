"""`manage.py create_api_key NAME`: make a key of the API and show it, once."""

import json
from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from inference.errors import ValidationFailedError
from inference.models import Automation, Scope
from inference.services.api_keys import create_api_key


class Command(BaseCommand):
    help = (
        "Make a key of the HTTP API. It is shown once and cannot be shown again. "
        "Exit code: 0 made, 1 refused (no such owner or automation, scopes that exclude each other), 2 wrong use."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="Who or what will use it, e.g. claims-backoffice.")
        parser.add_argument(
            "--scopes",
            default="submit,read",
            help=f"Comma-separated, of {', '.join(Scope.values)} (default submit,read).",
        )
        parser.add_argument("--expires", type=int, metavar="DAYS", help="Days until it stops working (default never).")
        parser.add_argument("--owner", metavar="USERNAME", help="The person it belongs to.")
        parser.add_argument(
            "--automation",
            action="append",
            default=[],
            metavar="NAME",
            help="An automation that it may use; may be given several times (default: all).",
        )
        parser.add_argument("--json", action="store_true", help="Write one JSON object instead of sentences.")

    def handle(
        self,
        *,
        name: str,
        scopes: str,
        expires: int | None,
        owner: str | None,
        automation: list[str],
        **options: Any,
    ) -> None:
        if expires is not None and expires < 1:
            raise CommandError("--expires must be at least 1 day.", returncode=2)
        try:
            key, text = create_api_key(
                name=name,
                scopes=[scope.strip() for scope in scopes.split(",") if scope.strip()],
                owner=None if owner is None else _find_owner(owner),
                automations=[_find_automation(each) for each in automation],
                expires_at=None if expires is None else timezone.now() + timedelta(days=expires),
                actor="command line",
            )
        except ValidationFailedError as error:
            raise CommandError(error.message) from error
        if options["json"]:
            answer = {
                "key": text,
                "public_id": key.public_id,
                "name": key.name,
                "scopes": key.scopes,
                "owner": owner,
                "automations": automation,
                "expires_at": None if key.expires_at is None else key.expires_at.isoformat(),
            }
            self.stdout.write(json.dumps(answer))
            return
        self.stdout.write(text)
        self.stderr.write(f"Made the key of “{key.name}” ({', '.join(key.scopes)}). Keep it now: it is not stored.")


def _find_owner(username: str) -> AbstractBaseUser:
    users = get_user_model().objects
    found = users.filter(**{get_user_model().USERNAME_FIELD: username}).first()
    if found is None:
        raise CommandError(f"There is no user “{username}”.")
    return found


def _find_automation(endpoint_name: str) -> Automation:
    found = Automation.objects.filter(endpoint_name=endpoint_name, is_active=True).first()
    if found is None:
        raise CommandError(f"There is no active automation “{endpoint_name}”.")
    return found
