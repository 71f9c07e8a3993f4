"""What holds for every page: no inline code or style, nothing from outside, only what one may see."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from optexity_site.unfold_settings import BORDER_RADIUS, COLORS
from tests.factories import make_user
from tests.inference.admin.conftest import client_of, staff
from tests.inference.admin.seed import Seeded

TEMPLATES = sorted((settings.BASE_DIR / "templates").rglob("*.html"))
SCRIPTS = sorted((settings.BASE_DIR / "static" / "inference").glob("*.js"))
STYLES = sorted((settings.BASE_DIR / "static" / "inference").glob("*.css"))


def test_the_palette_file_and_the_setting_are_the_same_colors() -> None:
    text = (settings.BASE_DIR / "static" / "inference" / "palette.css").read_text()
    printed = dict(re.findall(r"--color-((?:base|primary)-\d+): ([^;]+);", text))
    assert printed == {f"{name}-{weight}": value for name, scale in COLORS.items() for weight, value in scale.items()}
    assert f"--border-radius: {BORDER_RADIUS};" in text


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_templates_have_no_inline_style_handler_or_script(template: Path) -> None:
    text = re.sub(r"{% comment %}.*?{% endcomment %}", "", template.read_text(), flags=re.DOTALL)
    assert not re.search(r"\sstyle\s*=", text)
    assert not re.search(r"\son[a-z]+\s*=", text)
    assert "<style" not in text
    assert not re.search(r"<script(?![^>]*\ssrc=)", text)
    assert "javascript:" not in text


@pytest.mark.parametrize("file", [*TEMPLATES, *SCRIPTS, *STYLES], ids=lambda path: path.name)
def test_nothing_names_an_address_outside(file: Path) -> None:
    addresses = set(re.findall(r"https?://[^\s\"'`)<]+", file.read_text()))
    assert addresses <= set()


def test_the_design_files_stay_small() -> None:
    shipped = ("tokens.css", "components.css")
    assert sum((settings.BASE_DIR / "static" / "inference" / name).stat().st_size for name in shipped) < 26_000


@pytest.mark.django_db
def test_the_sidebar_shows_only_what_one_may_see() -> None:
    html = client_of(staff("view_task")).get("/admin/").content.decode()
    assert "Needs you" in html
    for hidden in ("Automations", "Keys", "Users and roles", "Workers", "Audit log", "Background work"):
        assert f'<span class="ox-cut">{hidden}</span>' not in html, hidden
    html = client_of(staff("view_workerhost", "view_auditevent")).get("/admin/").content.decode()
    assert '<span class="ox-cut">Workers</span>' in html
    assert '<span class="ox-cut">Audit log</span>' in html
    assert "Search or jump to" not in html


@pytest.mark.django_db
@pytest.mark.parametrize("model", ["workerhost", "auditevent"])
def test_lists_of_the_server_need_their_permission_and_cannot_be_written(model: str) -> None:
    address = f"/admin/inference/{model}/"
    assert client_of(staff("view_task")).get(address).status_code == 403
    admin = client_of(make_user(is_staff=True, is_superuser=True))
    assert admin.get(address).status_code == 200
    assert admin.get(f"{address}add/").status_code == 403


@pytest.mark.django_db
@pytest.mark.parametrize("model", ["success", "failure", "schedule"])
def test_background_work_can_be_read_and_never_written(model: str) -> None:
    """A schedule names a function: whoever could add one could run anything."""
    admin = client_of(make_user(is_staff=True, is_superuser=True))
    assert admin.get(f"/admin/django_q/{model}/").status_code == 200
    assert admin.get(f"/admin/django_q/{model}/add/").status_code == 403
    assert admin.post(f"/admin/django_q/{model}/add/", {"func": "os.system"}).status_code == 403


def test_waiting_packages_of_background_work_are_not_shown() -> None:
    from django.contrib import admin
    from django_q.models import OrmQ

    assert not admin.site.is_registered(OrmQ)


@pytest.mark.django_db
def test_the_badges_count_what_runs_and_what_needs_a_person(maya: Client, seeded: Seeded) -> None:
    html = maya.get("/admin/").content.decode()
    assert re.search(r'class="fr-badge">2<span class="ox-sr"> running', html)
    assert re.search(r'class="fr-badge" data-s="review">1<span class="ox-sr"> waiting', html)


@pytest.mark.django_db
def test_home_answers_first(maya: Client, seeded: Seeded) -> None:
    html = maya.get("/admin/").content.decode()
    assert "2 tasks are running. One thing needs you." in html
    assert reverse("admin:inference_task_change", args=(seeded.review.id,)) in html


@pytest.mark.django_db
def test_an_audit_entry_can_be_found_and_paged_past(maya: Client, seeded: Seeded) -> None:
    address = "/admin/inference/auditevent/"
    html = maya.get(address).content.decode()
    assert "published" in html
    assert "prior-auth-status" not in maya.get(address, {"q": "task.cancel"}).content.decode()
    assert maya.get(address, {"before": "nonsense"}).status_code == 200
    assert "Nothing was done yet" in maya.get(address, {"before": "1"}).content.decode()


@pytest.mark.django_db
def test_signing_in_says_when_it_did_not_work() -> None:
    make_user(username="maya", is_staff=True)
    page = Client()
    assert "Sign in" in page.get("/admin/login/").content.decode()
    answer = page.post("/admin/login/", {"username": "maya", "password": "wrong"})
    assert 'role="alert"' in answer.content.decode()
    answer = page.post("/admin/login/?next=/admin/", {"username": "maya", "password": "a long pass phrase"})
    assert answer["Location"] == "/admin/"
