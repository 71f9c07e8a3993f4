"""The dashboard in a real Chromium: accessible, within its width, without outside requests, alive."""

import re
from collections.abc import Sequence

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Page, Route, expect

from inference.models import ApiKey, Step, Task, TaskStatus
from inference.services.cancel import cancel_tasks
from tests.factories import end_task, make_task
from tests.inference.admin.conftest import Dashboard, Desk
from tests.inference.admin.seed import PASSWORD, Seeded, add_waiting, seed

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]

# The strict policy that our own pages are written for.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'"
)

COLOR_RULES = ("color-contrast", "link-in-text-block")


def our_pages(seeded: Seeded) -> dict[str, str]:
    return {
        "home": "",
        "tasks": "inference/task/",
        "tasks, filtered": "inference/task/?status=failed&q=HM",
        "tasks, none": "inference/task/?q=nothing-like-this",
        "failed": f"inference/task/{seeded.failed.id}/change/",
        "running": f"inference/task/{seeded.running.id}/change/",
        "waiting": f"inference/task/{add_waiting(seeded).id}/change/",
        "queued": f"inference/task/{seeded.queued.id}/change/",
        "review": f"inference/task/{seeded.review.id}/change/",
        "success": f"inference/task/{seeded.success.id}/change/",
        "retry": f"inference/task/{seeded.review.id}/retry/",
        "kill": f"inference/task/{seeded.running.id}/kill/",
        "automations": "inference/automation/",
        "automation": f"inference/automation/{seeded.claims.pk}/change/?from={seeded.failed.id}",
        "old version": f"inference/automation/{seeded.claims.pk}/change/?version=1",
        "import": "inference/automation/add/",
        "keys": "inference/apikey/",
        "revoke": f"inference/apikey/{seeded.key.pk}/revoke/",
        "logins": "inference/loginsession/",
        "forget": f"inference/loginsession/{seeded.session.pk}/forget/",
        "workers": "inference/workerhost/",
        "audit": "inference/auditevent/",
    }


def unfold_pages(seeded: Seeded) -> dict[str, str]:
    return {
        "users": "auth/user/",
        "user": f"auth/user/{seeded.admin.pk}/change/",
        "add user": "auth/user/add/",
        "groups": "auth/group/",
        "background": "django_q/success/",
        "schedules": "django_q/schedule/",
    }


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_no_page_has_a_serious_barrier_or_scrolls_sideways(open_desk: Desk, width: int, theme: str) -> None:
    seeded = seed(more_tasks=6)
    window = open_desk(seeded.admin, viewport={"width": width, "height": 900}, color_scheme=theme)
    found: list[str] = []
    for name, path in {**our_pages(seeded), **unfold_pages(seeded)}.items():
        page = window.open(path)
        page.wait_for_load_state("load")
        expect(page.locator("html")).to_have_class(re.compile("dark" if theme == "dark" else "ox-js"))
        # What an element is and says is the same in both themes; only its colors are others.
        found += [f"{name}: {barrier}" for barrier in barriers(page, COLOR_RULES if theme == "dark" else ())]
        excess = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if excess > 0:
            found.append(f"{name}: {excess} px too wide")
    assert not found, "\n".join(found)
    assert window.outside == []
    assert window.errors == []


def barriers(page: Page, rules: Sequence[str] = ()) -> list[str]:
    """What axe-core calls serious or critical, with the elements; only by these rules where some are given."""
    options = {"resultTypes": ["violations"], **({"runOnly": list(rules)} if rules else {})}
    result = Axe().run(page, options=options)
    return [
        f"{each['id']}: {[node['target'] for node in each['nodes']][:4]} {each['nodes'][0]['failureSummary'][:200]}"
        for each in result.response["violations"]
        if each["impact"] in ("serious", "critical")
    ]


def test_our_pages_keep_a_strict_content_security_policy(desk: tuple[Dashboard, Seeded]) -> None:
    window, seeded = desk

    def guard(route: Route) -> None:
        if route.request.resource_type != "document":
            route.continue_()
            return
        answer = route.fetch()
        route.fulfill(response=answer, headers={**answer.headers, "content-security-policy": POLICY})

    window.context.route("**/*", guard)
    for path in our_pages(seeded).values():
        page = window.open(path)
        page.wait_for_load_state("networkidle")
        page.keyboard.press("Control+k")
        page.keyboard.press("Escape")
    assert window.errors == []
    assert window.outside == []


def test_a_row_changes_and_new_tasks_are_counted_without_a_reload(desk: tuple[Dashboard, Seeded]) -> None:
    window, seeded = desk
    page = window.open("inference/task/")
    row = page.locator(f'tr[data-row="{seeded.queued.id}"]')
    expect(row.locator(".ox-pill")).to_have_text("Queued")
    order = page.locator("tr[data-row]").evaluate_all("rows => rows.map(row => row.dataset.row)")
    page.evaluate("window.stayed = true")
    cancel_tasks(Task.objects.filter(pk=seeded.queued.pk), cause={"kind": "user", "id": "jonas"})
    make_task(automation=seeded.claims, input_parameters={})
    expect(row.locator(".ox-pill")).to_have_text("Cancelled", timeout=15_000)
    expect(page.locator("[data-new]")).to_have_text(re.compile("1 new task"))
    # Nothing moved under the pointer, and the page is the same one.
    assert page.locator("tr[data-row]").evaluate_all("rows => rows.map(row => row.dataset.row)") == order
    assert page.evaluate("window.stayed") is True
    page.locator("[data-new]").click()
    expect(page.locator("tr[data-row]")).to_have_count(len(order) + 1)
    assert window.errors == []


def test_a_hidden_tab_asks_for_nothing(desk: tuple[Dashboard, Seeded]) -> None:
    window, _ = desk
    page = window.open("inference/task/")
    with page.expect_request("**/task/live/**", timeout=15_000):
        pass
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate(
        "Object.defineProperty(document, 'hidden', {get: () => window.away ?? true, configurable: true});"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )
    page.wait_for_timeout(4500)  # longer than the pause between two questions
    assert [url for url in asked if "/live/" in url] == [] or len(asked) == 1
    with page.expect_request("**/task/live/**", timeout=5_000):
        page.evaluate("window.away = false; document.dispatchEvent(new Event('visibilitychange'))")


def test_selected_tasks_can_be_cancelled(desk: tuple[Dashboard, Seeded]) -> None:
    window, seeded = desk
    page = window.open("inference/task/")
    bar = page.get_by_role("region", name="Selection")
    expect(bar).to_be_hidden()
    page.locator(f'input[name=task][value="{seeded.queued.id}"]').check()
    page.locator(f'input[name=task][value="{seeded.success.id}"]').check()
    expect(bar).to_contain_text("2 selected")
    bar.get_by_role("button", name="Cancel 1").click()
    expect(page.get_by_role("status")).to_contain_text("Cancelled 1 task; 1 other had ended.")
    seeded.queued.refresh_from_db()
    assert seeded.queued.status == TaskStatus.CANCELLED


def test_a_filter_is_set_and_taken_off_in_the_address(desk: tuple[Dashboard, Seeded]) -> None:
    window, _ = desk
    page = window.open("inference/task/")
    page.locator("summary", has_text="Status").click()
    page.get_by_label("Killed").check()
    page.get_by_role("button", name="Apply").locator("visible=true").click()
    expect(page).to_have_url(re.compile(r"\?.*status=killed"))
    expect(page.locator("tr[data-row]")).to_have_count(1)
    page.get_by_role("link", name="Clear all", exact=True).click()
    expect(page.locator("tr[data-row]")).not_to_have_count(1)


def test_the_reader_selects_a_step_and_keeps_it(desk: tuple[Dashboard, Seeded]) -> None:
    window, seeded = desk
    page = window.open(f"inference/task/{seeded.failed.id}/change/")
    stage = page.locator('[data-part="stage"]')
    expect(stage.get_by_role("heading")).to_contain_text("Step 8")
    page.locator("a.ox-step", has_text="Type “Policy number”").click()
    expect(stage.get_by_role("heading")).to_have_text("Step 5, type “Policy number”")
    expect(page).to_have_url(re.compile("#step-5$"))
    page.keyboard.press("j")
    expect(stage.get_by_role("heading")).to_contain_text("Step 6")
    page.reload()
    expect(stage.get_by_role("heading")).to_contain_text("Step 6")
    page.keyboard.press("f")
    expect(page.get_by_role("dialog", name="Large picture")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert window.errors == []


def test_the_page_follows_a_running_task_to_its_end(desk: tuple[Dashboard, Seeded]) -> None:
    window, seeded = desk
    task = seeded.running
    page = window.open(f"inference/task/{task.id}/change/")
    page.locator("a.ox-step", has_text="Click “Sign in”").click()
    stage = page.locator('[data-part="stage"]')
    expect(stage.get_by_role("heading")).to_contain_text("Step 3")
    page.evaluate("window.stayed = true")
    Step.objects.filter(task=task, position=5).update(status="success", duration_ms=900)
    row = page.locator("a.ox-step", has_text="Type “Policy number”")
    expect(row).to_have_attribute("data-s", "success", timeout=15_000)
    expect(row.locator(".ox-step__d")).to_have_text("0.9 s")
    end_task(task, TaskStatus.SUCCESS, output_data=[{"json_data": {"claim_number": "NB-20499"}}])
    expect(page.locator("[data-pill]")).to_have_text("Success", timeout=15_000)
    expect(page.locator('[data-part="output"]')).to_contain_text("NB-20499")
    expect(page.get_by_role("button", name="Retry")).to_be_visible()
    # What the reader had selected stays selected, on the same page.
    expect(stage.get_by_role("heading")).to_contain_text("Step 3")
    assert page.evaluate("window.stayed") is True
    assert window.errors == []


def test_the_id_is_copied_whole(desk: tuple[Dashboard, Seeded]) -> None:
    window, seeded = desk
    window.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = window.open("inference/task/")
    page.locator(f'button[data-copy="{seeded.failed.id}"]').click()
    expect(page.locator("#ox-announce")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == str(seeded.failed.id)


def test_a_new_key_leaves_no_trace_in_the_browser(desk: tuple[Dashboard, Seeded]) -> None:
    window, _ = desk
    page = window.open("inference/apikey/")
    page.get_by_label("Name", exact=True).fill("portal")
    page.get_by_role("button", name="Create key").click()
    key = page.locator("#key").inner_text()
    assert key.startswith("opx_")
    expect(page).to_have_url(re.compile(r"/inference/apikey/$"))
    page.reload()
    assert key not in page.content()
    page.go_back()
    assert key not in page.content()
    page.go_forward()
    assert key not in page.content()
    stored = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, history.state])")
    assert key not in stored
    assert ApiKey.objects.filter(name="portal").count() == 1


def test_the_editor_colors_the_document_and_leads_to_a_finding(desk: tuple[Dashboard, Seeded]) -> None:
    window, seeded = desk
    page = window.open(f"inference/automation/{seeded.claims.pk}/change/")
    area = page.get_by_label("The document, JSON")
    expect(page.locator(".ox-edt__p .k").first).to_have_text('"url"')
    area.fill('{\n  "url": "x",\n  "nodes": []\n}')
    page.get_by_role("button", name="Check", exact=True).click()
    expect(page.get_by_role("region", name="Findings")).to_contain_text("parameters")
    expect(page.locator(".ox-edt__g [data-s=failed]")).to_have_text("1")
    page.get_by_role("button", name="Show").first.click()
    assert page.evaluate("document.activeElement.name") == "document"
    assert seeded.claims.versions.count() == 2


def test_the_theme_is_chosen_kept_and_follows_the_system_again(desk: tuple[Dashboard, Seeded]) -> None:
    window, _ = desk
    page = window.open()
    html = page.locator("html")
    expect(html).not_to_have_class(re.compile("dark"))
    page.locator("header").get_by_role("button", name="Switch theme").click()
    expect(html).to_have_class(re.compile("dark"))
    for path in ("inference/task/", "auth/user/"):  # one of ours, one of unfold's
        window.open(path)
        expect(html).to_have_class(re.compile("dark"))


def test_single_keys_can_be_switched_off(desk: tuple[Dashboard, Seeded]) -> None:
    window, _ = desk
    page = window.open()
    page.keyboard.press("g")
    page.keyboard.press("k")
    expect(page).to_have_url(re.compile("/apikey/$"))
    page.locator(".fr-user summary").click()
    page.get_by_role("button", name="Single-key shortcuts").click()
    page.locator(".fr-title").click()
    page.keyboard.press("g")
    page.keyboard.press("t")
    page.wait_for_timeout(300)
    expect(page).to_have_url(re.compile("/apikey/$"))


def test_jumping_opens_a_task_by_the_end_of_its_id(desk: tuple[Dashboard, Seeded]) -> None:
    window, seeded = desk
    page = window.open()
    page.keyboard.press("Control+k")
    page.get_by_role("searchbox", name="Search or jump to").fill(str(seeded.failed.id)[-8:])
    expect(page.locator(".ox-jump a", has_text="claims-submit")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(str(seeded.failed.id)))


def test_everything_works_without_scripts(open_desk: Desk) -> None:
    seeded = seed(more_tasks=60)
    window = open_desk(seeded.admin, java_script_enabled=False, viewport={"width": 390, "height": 844})
    window.context.clear_cookies()
    page = window.open()
    page.get_by_label("User name").fill("maya")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=2).first).to_contain_text("2 tasks are running")
    page.get_by_role("link", name="Menu").click()
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Tasks").click()
    page.get_by_role("link", name="Older").click()
    expect(page.get_by_role("link", name="Newer")).to_be_visible()
    page.goto(f"{window.url}/admin/inference/task/")
    page.locator("summary", has_text="Status").click()
    page.get_by_label("Failed", exact=True).check()
    page.get_by_role("button", name="Apply").locator("visible=true").click()
    page.get_by_role("link", name="claims-submit", exact=True).first.click()
    page.locator("a.ox-step", has_text="Type “Policy number”").click()
    expect(page.get_by_role("heading", name="Step 5, type “Policy number”")).to_be_visible()
    page.get_by_role("button", name="Retry").click()
    expect(page.get_by_role("status").first).to_contain_text("again, with the same values")
    page.get_by_role("button", name="Cancel task").click()
    expect(page.get_by_role("status").first).to_contain_text("Cancelling")
    page.goto(f"{window.url}/admin/inference/apikey/")
    page.get_by_label("Name", exact=True).fill("portal")
    page.get_by_role("button", name="Create key").click()
    expect(page.get_by_text(re.compile(r"opx_\w{8}_.{43}")).first).to_be_visible()
