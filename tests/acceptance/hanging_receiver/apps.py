import signal
from typing import Any

from django.apps import AppConfig


class HangingReceiverConfig(AppConfig):
    name = "tests.acceptance.hanging_receiver"

    def ready(self) -> None:
        from django_q.signals import post_execute_in_worker

        post_execute_in_worker.connect(hang_while_asked, dispatch_uid="hang")


def hang_while_asked(**_: Any) -> None:
    from django.conf import settings

    if (settings.DATA_DIR / "hang").exists():
        (settings.DATA_DIR / "hanging").touch()
        while (settings.DATA_DIR / "hang").exists():
            signal.sigtimedwait([signal.SIGUSR1], 0.1)
