"""Which tab is acted on, and closing tabs. Tabs are counted in the order of their opening."""

from automation.actions.navigation import (
    CloseAllButLastTabAction,
    CloseCurrentTabAction,
    CloseTabsUntilAction,
    SwitchTabAction,
)
from executor.errors import ActionError
from executor.run import Run


async def switch_tab(action: SwitchTabAction, run: Run) -> None:
    """Make a tab the current one until it closes or another opens; a negative index counts from the end.

    With one tab there is nothing to switch. Raises ActionError when there is no such tab.
    """
    tabs = run.tabs.all
    if len(tabs) <= 1:
        run.step.note("only one tab is open")
        return
    if not -len(tabs) <= action.tab_index < len(tabs):
        raise ActionError(f"there is no tab {action.tab_index}: {len(tabs)} tabs are open, counted from 0")
    await run.tabs.switch_to(tabs[action.tab_index])


async def close_current_tab(action: CloseCurrentTabAction, run: Run) -> None:
    """Close the current tab, after which the newest one is current. The only tab stays, with a warning."""
    if len(run.tabs.all) <= 1:
        run.step.warn("the only tab was not closed")
        return
    await run.tabs.close(run.tabs.current)
    await run.tabs.switch_to_newest()


async def close_all_but_last_tab(action: CloseAllButLastTabAction, run: Run) -> None:
    """Close every tab but the newest, which becomes the current one."""
    for tab in run.tabs.all[:-1]:
        await run.tabs.close(tab)
    if run.tabs.all:
        await run.tabs.switch_to_newest()


async def close_tabs_until(action: CloseTabsUntilAction, run: Run) -> None:
    """Close the newest tab until its address contains `matching_url`, or until `tab_index` + 1 tabs are open.

    The last tab stays in any case. Raises ActionError when even that one is not what was meant.
    """
    while not _is_reached(action, run) and len(run.tabs.all) > 1:
        await run.tabs.close(run.tabs.all[-1])
    if run.tabs.all:
        await run.tabs.switch_to_newest()
    if not _is_reached(action, run):
        wanted = f"“{action.matching_url}”" if action.matching_url is not None else f"tab_index {action.tab_index}"
        raise ActionError(f"no tab matches {wanted}; the first one is still open")


def _is_reached(action: CloseTabsUntilAction, run: Run) -> bool:
    tabs = run.tabs.all
    if action.matching_url is not None:
        return bool(tabs) and action.matching_url in tabs[-1].page.url
    return action.tab_index is not None and len(tabs) <= action.tab_index + 1
