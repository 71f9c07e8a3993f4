"""Pictures of the dashboard for the manual: `docs/images/<page>-<width>-<theme>.png`.

    python docs/make_screenshots.py                      # its own server, with the data of the tests
    python docs/make_screenshots.py all --out /some/folder   # every page, to look at
    python docs/make_screenshots.py --url http://127.0.0.1:8000 --user maya --password …   # yours

Needs requirements-dev.txt and a Chromium (BROWSER_EXECUTABLE, or one on PATH).
"""

import argparse
import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Literal

BASE_DIR = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(BASE_DIR))

from playwright.sync_api import Page, sync_playwright  # noqa: E402 - after the path is set

WIDTHS = {1440: 1000, 390: 844}
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
# What the manual shows; `all` takes the rest as well.
IN_THE_MANUAL = ("home", "task-list", "task-failed", "task-running", "task-waiting", "automation", "keys")


@contextlib.contextmanager
def seeded_server() -> Iterator[tuple[str, str, str, dict[str, str]]]:
    """Address, user, password, and the addresses of pages, of a server with the data of the tests."""
    folder = Path(tempfile.mkdtemp(prefix="optexity-pictures-"))
    os.environ.update({"DATA_DIR": str(folder), "DJANGO_SETTINGS_MODULE": "optexity_site.settings"})
    os.environ["SITE_ENVIRONMENT"] = "Production"
    os.environ["SITE_SUBTITLE"] = "Harbor Mutual, claims operations"
    from optexity_site import embedded_db

    embedded_db.acquire(folder)
    try:
        import django

        django.setup()
        from django.core.management import call_command
        from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
        from django.core.wsgi import get_wsgi_application
        from django.db import connections

        from tests.inference.admin.seed import PASSWORD, add_waiting, seed

        call_command("migrate", verbosity=0)
        seeded = seed(more_tasks=18)
        waiting = add_waiting(seeded)
        server = ThreadedWSGIServer(("127.0.0.1", 0), WSGIRequestHandler)
        server.set_app(get_wsgi_application())
        Thread(target=server.serve_forever, daemon=True).start()
        pages = {
            "home": "",
            "task-list": "inference/task/",
            "task-failed": f"inference/task/{seeded.failed.id}/change/",
            "task-running": f"inference/task/{seeded.running.id}/change/",
            "task-waiting": f"inference/task/{waiting.id}/change/",
            "kill": f"inference/task/{seeded.running.id}/kill/",
            "task-queued": f"inference/task/{seeded.queued.id}/change/",
            "task-success": f"inference/task/{seeded.success.id}/change/",
            "task-review": f"inference/task/{seeded.review.id}/change/",
            "automations": "inference/automation/",
            "automation": f"inference/automation/{seeded.claims.pk}/change/",
            "import": "inference/automation/add/",
            "keys": "inference/apikey/",
            "logins": "inference/loginsession/",
            "forget": f"inference/loginsession/{seeded.session.pk}/forget/",
            "workers": "inference/workerhost/",
            "audit": "inference/auditevent/",
            "users": "auth/user/",
            "user": f"auth/user/{seeded.admin.pk}/change/",
            "schedules": "django_q/schedule/",
        }
        yield f"http://127.0.0.1:{server.server_port}", seeded.admin.username, PASSWORD, pages
        server.shutdown()
        server.server_close()
        connections.close_all()
    finally:
        embedded_db.release(folder)
        embedded_db.delete(folder)
        shutil.rmtree(folder, ignore_errors=True)


def sign_in(page: Page, url: str, user: str, password: str) -> None:
    page.goto(f"{url}/admin/login/?next=/admin/")
    page.get_by_label("User name").fill(user)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{url}/admin/")


def take(url: str, user: str, password: str, pages: dict[str, str], out: Path, only: list[str]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    executable = os.environ.get("BROWSER_EXECUTABLE") or shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=executable, args=arguments)
        for width, height in WIDTHS.items():
            for theme in THEMES:
                context = browser.new_context(
                    viewport={"width": width, "height": height}, color_scheme=theme, reduced_motion="reduce"
                )
                page = context.new_page()
                sign_in(page, url, user, password)
                for name, path in pages.items():
                    if name not in (only or IN_THE_MANUAL) and "all" not in only:
                        continue
                    page.goto(f"{url}/admin/{path}")
                    page.wait_for_load_state("networkidle")
                    page.screenshot(path=out / f"{name}-{width}-{theme}.png", full_page=True)
                context.close()
        browser.close()


def pages_of(url: str) -> dict[str, str]:
    """What any server has."""
    return {
        "home": "",
        "task-list": "inference/task/",
        "automations": "inference/automation/",
        "import": "inference/automation/add/",
        "keys": "inference/apikey/",
        "logins": "inference/loginsession/",
        "workers": "inference/workerhost/",
        "audit": "inference/auditevent/",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", help="a running server; not given: one of its own")
    parser.add_argument("--user", default="admin")
    parser.add_argument("--password", default="")
    parser.add_argument("--out", type=Path, default=BASE_DIR / "docs" / "images")
    parser.add_argument("only", nargs="*", help="names of pages, or all; not given: those of the manual")
    options = parser.parse_args()
    if options.url:
        take(options.url, options.user, options.password, pages_of(options.url), options.out, options.only)
        return
    with seeded_server() as (url, user, password, pages):
        take(url, user, password, pages, options.out, options.only)


if __name__ == "__main__":
    main()
