import pytest
from pytest_django import Settings

from executor.actions import captcha as captcha_module
from executor.errors import AutomationError, ElementNotFoundError
from executor.loop import WorkerLoop
from inference.models import PersonRequest, Step
from inference.services.people import answer_request
from tests.executor.conftest import RUN_SECONDS, Prepare, RunNodes, read, wait_for
from tests.executor.site.server import Site

pytestmark = pytest.mark.django_db(transaction=True)

OUT = read('locator("#out")', "out")


def captcha(locator: str = 'locator("#box")', **fields: object) -> dict[str, object]:
    return {"type": "action_node", "captcha_action": {"locator": locator, **fields}}


def test_the_box_is_clicked_at_its_corner_plus_the_offsets(run_nodes: RunNodes, site: Site) -> None:
    offsets = {"primary_click_x_offset": 30, "primary_click_y_offset": "20"}
    plain = run_nodes([captcha(), OUT], url=f"{site.url}/captcha")
    moved = run_nodes([captcha(config=offsets), OUT], url=f"{site.url}/captcha")

    assert plain.values() == {"out": "clicked 0,0"}
    assert moved.values() == {"out": "clicked 30,20"}
    assert moved.steps[0].status == "success"


def test_the_first_match_is_meant_and_variables_are_known(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes(
        [captcha('locator("{what[0]}")'), OUT], url=f"{site.url}/captcha", inputs={"what": ["#box, #out"]}
    )

    assert outcome.values() == {"out": "clicked 0,0"}


@pytest.mark.parametrize("locator", ['locator("a").evaluate("1")', " "])
def test_a_locator_that_cannot_be_used_fails(run_nodes: RunNodes, site: Site, locator: str) -> None:
    outcome = run_nodes([captcha(locator)], url=f"{site.url}/captcha")

    assert isinstance(outcome.error, ElementNotFoundError)


def test_no_box_within_five_seconds_fails(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes([captcha('locator("#nope")')], url=f"{site.url}/captcha")

    assert isinstance(outcome.error, ElementNotFoundError)
    assert "within 5 s" in str(outcome.error)
    assert 4500 < outcome.step.duration_ms < 9000


def test_an_offset_that_is_no_number_fails(run_nodes: RunNodes, site: Site) -> None:
    outcome = run_nodes([captcha(config={"primary_click_x_offset": "left"})], url=f"{site.url}/captcha")

    assert isinstance(outcome.error, AutomationError)
    assert "config.primary_click_x_offset" in str(outcome.error)


@pytest.mark.parametrize("kind", ["", "?flash"])
def test_no_pictures_after_the_wait_means_done(run_nodes: RunNodes, site: Site, kind: str) -> None:
    node = captcha(secondary_locator='locator("#grid")', wait_time=0.8)
    outcome = run_nodes([node, OUT], url=f"{site.url}/captcha{kind}")

    assert (outcome.error, outcome.steps[0].status) == (None, "success")


def test_pictures_are_a_warning_where_nobody_can_solve_them(
    run_nodes: RunNodes, site: Site, settings: Settings
) -> None:
    settings.HUMAN_IN_LOOP = False
    node = captcha(secondary_locator='locator("#grid")', wait_time=0.5)
    outcome = run_nodes([node, OUT], url=f"{site.url}/captcha?pictures")

    assert outcome.error is None
    assert outcome.steps[0].status == "warning"
    assert outcome.values() == {"out": "clicked 0,0"}  # the run goes on


def test_a_person_solves_the_pictures(
    prepare: Prepare, worker_loop: WorkerLoop, site: Site, settings: Settings
) -> None:
    settings.HUMAN_IN_LOOP = True
    runner = prepare([captcha(secondary_locator='locator("#grid")', wait_time=1.0)], url=f"{site.url}/captcha?pictures")
    attempt = worker_loop.submit(runner.execute())
    wait_for(lambda: PersonRequest.objects.filter(closed_at=None).exists())
    request = PersonRequest.objects.get()
    assert answer_request(
        task_id=request.task_id, answer="continue", note="", cause={"kind": "user", "id": "maya"}, request_id=request.id
    )
    attempt.result(RUN_SECONDS)

    assert "Solve the captcha" in request.question
    step = Step.objects.get(task_id=request.task_id)
    # The person of this test has only said so.
    assert (step.status, step.details["notes"]) == ("warning", ["the captcha still shows its pictures"])


def test_pictures_that_nobody_solves_in_time_are_a_warning(
    run_nodes: RunNodes, site: Site, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.HUMAN_IN_LOOP = True
    monkeypatch.setattr(captcha_module, "PERSON_SECONDS", 0.5)
    node = captcha(secondary_locator='locator("#grid")', wait_time=1.0)
    outcome = run_nodes([node], url=f"{site.url}/captcha?pictures")

    assert (outcome.error, outcome.step.status) == (None, "warning")
    assert "nobody solved them within 0.5 s" in outcome.step.details["notes"][0]
