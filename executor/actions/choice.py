"""Choosing: options of a select, check boxes, radio buttons."""

from collections.abc import Sequence

from playwright.async_api import Locator
from playwright.async_api import TimeoutError as PlaywrightTimeoutError

from automation import choose_options
from automation.actions.choice import CheckAction, SelectOptionAction, UncheckAction
from executor.actions.targeted import Target, act_on_element
from executor.downloading import with_download
from executor.dropdowns import choose, kind_of_choice
from executor.errors import NEEDS_MODEL, ActionTimeoutError, act_began, first_line, reason_in
from executor.run import Run

# A line of Playwright's call log, once the element is there.
_SELECTING = "selecting specified option(s)"
# Constant functions.
_OPTIONS = "select => [...select.options].map(option => [option.value, option.label])"
_IS_RADIO = "element => element.type === 'radio' || element.getAttribute('role') === 'radio'"
_VISIBLE_PART = """element => {
  const label = element.labels && [...element.labels].find(each => each.getClientRects().length);
  (label || element.getRootNode().host || element.parentElement || element).click();
}"""


async def select_option(action: SelectOptionAction, run: Run) -> None:
    """Select the options that the author means (see `automation.choose_options`): of a `<select>`, or of a list that
    the page has built itself.

    Errors: ElementNotFoundError, ActionTimeoutError (offers no options, no such option), DownloadMissingError.
    """
    wanted = action.select_values
    if wanted is None:
        by_model = "" if action.skip_prompt else f"; proposing some {NEEDS_MODEL}"
        run.step.skip(f"there are no values to select{by_model}")
        return

    async def act(target: Target) -> None:
        match await kind_of_choice(target.locator, timeout_ms=target.timeout_ms):
            case "select":
                await _select(target, wanted, run)
            case "combobox" | "listbox":
                await choose(target.locator, wanted, timeout_ms=target.timeout_ms, on_chosen=run.act_begins)
            case _:
                raise ActionTimeoutError("the element is not a <select>, and has no role combobox or listbox")

    await with_download(action, run, act_on_element(action, run, act, only_once=action.expect_download))


async def _select(target: Target, wanted: Sequence[str], run: Run) -> None:
    options = await target.locator.evaluate(_OPTIONS, timeout=target.timeout_ms)
    values = choose_options([(str(value), str(label)) for value, label in options], wanted)
    try:
        await target.locator.select_option(values, timeout=target.timeout_ms)
    except PlaywrightTimeoutError as error:
        if _SELECTING in str(error) and reason_in(error) == first_line(error):
            run.act_begins()  # nothing stood in the way of it: the page does not answer to the change
        raise


async def check(action: CheckAction, run: Run) -> None:
    """Tick a check box or radio button.

    A check box that is ticked already is cleared first, so that the page's change handlers run in any case; a
    radio button that is selected stays as it is.
    """

    async def act(target: Target) -> None:
        is_radio = await target.locator.evaluate(_IS_RADIO, timeout=target.timeout_ms)
        if await target.locator.is_checked(timeout=target.timeout_ms):
            if is_radio:
                return
            await _set(target, run, checked=False)
        await _set(target, run, checked=True)

    await act_on_element(action, run, act)


async def uncheck(action: UncheckAction, run: Run) -> None:
    """Clear a check box, in the same way. A radio button cannot be cleared: ActionTimeoutError."""

    async def act(target: Target) -> None:
        if await target.locator.evaluate(_IS_RADIO, timeout=target.timeout_ms):
            raise ActionTimeoutError("a radio button cannot be unchecked; check another one of its group")
        if not await target.locator.is_checked(timeout=target.timeout_ms):
            await _set(target, run, checked=True)
        await _set(target, run, checked=False)

    await act_on_element(action, run, act)


async def _set(target: Target, run: Run, *, checked: bool) -> None:
    """Bring a box into a state; one that lies under a drawn box is changed by clicking what is visible of it."""
    try:
        # Half of the time is kept for the second way.
        await target.locator.set_checked(checked, timeout=target.timeout_ms / 2)
    except PlaywrightTimeoutError as error:
        if "intercepts pointer events" not in str(error) or act_began(error):
            raise
    else:
        run.act_begins()  # a box that is cleared first has been changed by now
        return
    run.act_begins()
    await _click_visible_part(target.locator, target.timeout_ms / 4)
    if await target.locator.is_checked(timeout=target.timeout_ms / 4) != checked:
        raise ActionTimeoutError("the box lies under another element, and clicking its label did not change it")


async def _click_visible_part(locator: Locator, timeout_ms: float) -> None:
    """Its label, else the element that hosts it."""
    await locator.evaluate(_VISIBLE_PART, timeout=timeout_ms)
