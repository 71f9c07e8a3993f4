import pytest

from tests.executor.conftest import RunNodes, click, read
from tests.executor.site.server import Site

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    "action",
    [
        {"extraction_action": {"ocr_coordinates": {"source_variable": "words"}}},
        {"extraction_action": {"vision": {"prompt": "where is the logo", "output_variable_names": ["logo"]}}},
        {"powershell_action": {"commands": ["Get-Date"]}},
    ],
)
def test_what_is_for_remote_desktops_is_skipped_and_the_run_goes_on(
    run_nodes: RunNodes, site: Site, action: dict[str, object]
) -> None:
    press = click('get_by_role("button", name="Press")')
    outcome = run_nodes([{"type": "action_node", **action}, press, read('locator("#out")')], url=f"{site.url}/")

    assert outcome.error is None
    assert outcome.steps[0].status == "skipped"
    assert "remote desktops" in (outcome.steps[0].error or "")
    assert outcome.values() == {"value": "left"}
    assert outcome.runner._memory.variables == {"value": ["left"]}
