import pytest

from tests.executor.conftest import RunNodes, click, interact, read
from tests.executor.site.server import Site

pytestmark = pytest.mark.django_db(transaction=True)

COPY_BY_KEYS = [
    interact("input_text", {"command": 'locator("#field")', "input_text": "secret"}),
    interact("key_press", {"type": ["ctrl", "a"]}),
    interact("key_press", {"type": ["ctrl", "c"]}),
]
COPY_BY_PAGE = [click('get_by_role("button", name="Copy")')]
PASTE = [
    interact("input_text", {"command": 'locator("#field")', "input_text": ""}),
    interact("key_press", {"type": ["ctrl", "v"]}),
    read('locator("#field")', read="value"),
]


@pytest.mark.parametrize("copy", [COPY_BY_KEYS, COPY_BY_PAGE], ids=["by keys", "by the page"])
def test_what_one_task_has_copied_no_other_can_paste(
    run_nodes: RunNodes, site: Site, copy: list[dict[str, object]]
) -> None:
    same_task = run_nodes([*copy, *PASTE], url=f"{site.url}/clipboard")
    next_task = run_nodes(PASTE, url=f"{site.url}/clipboard")

    assert same_task.values() == {"value": "secret"}
    assert next_task.error is None
    assert next_task.values() == {"value": ""}
