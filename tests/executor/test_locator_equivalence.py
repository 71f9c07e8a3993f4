"""A parsed command finds the same elements as the same command written in Playwright's own Python.

Each case has the command twice: as the text that an author writes, and as code below it. Both are tried on the demo
portal's pages in Chromium, its iframe and its shadow root included, and have to give the same elements in the same
order. What the portal does not have (pictures, toggle buttons) is added to one of its pages.
"""

import asyncio
import os
import re
import shutil
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any, get_args

import pytest
from playwright.async_api import Locator, Page, async_playwright

from automation import LocatorCommand, parse_locator
from automation.locators import _SIGNATURES, Argument, Call, FrameAt, Property, PropertyName
from executor.errors import ElementNotFoundError
from executor.locators import build_locator
from tests.demo.portal_process import running_portal

# Where an element is, through shadow roots up to the address of its document.
PATHS = """elements => elements.map(element => {
  const path = [];
  let node = element;
  while (node.nodeType !== Node.DOCUMENT_NODE) {
    const parent = node.parentNode || node.host;
    path.unshift(node.host ? "shadow root" : node.nodeName + [...parent.childNodes].indexOf(node));
    node = parent;
  }
  return location.pathname + ":" + path.join("/");
})"""

ADD_TO_PAGE = """() => {
  const more = document.createElement("div");
  more.id = "more";
  const add = (tag, text, attributes) => {
    const element = document.createElement(tag);
    element.textContent = text;
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    more.append(element);
  };
  add("img", "", {alt: "Port Ellery harbor", title: "The harbor"});
  add("img", "", {alt: "Port Ellery", title: "The port"});
  add("button", "Bold", {"aria-pressed": "true"});
  add("button", "Italic", {"aria-pressed": "false"});
  add("button", "More facts", {"aria-expanded": "true"});
  add("button", "Fewer facts", {"aria-expanded": "false", disabled: ""});
  add("div", "Line one\\nLine two", {"data-testid": "lines", style: "white-space: pre"});
  add("p", "Not shown", {style: "display: none", "data-testid": "hidden"});
  document.querySelector("main").append(more);
}"""


@dataclass
class Desk:
    """One signed-in visitor with an open page for each name, and the loop that they live on."""

    run: Callable[[Coroutine[Any, Any, Any]], Any]
    pages: dict[str, Page]


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    with running_portal() as portal, asyncio.Runner() as runner:
        opened = open_pages(portal.url)
        yield Desk(runner.run, runner.run(anext(opened)))
        runner.run(opened.aclose())


async def open_pages(portal_url: str) -> AsyncGenerator[dict[str, Page]]:
    executable = os.environ.get("BROWSER_EXECUTABLE") or shutil.which("chromium")
    assert executable, "no Chromium: set BROWSER_EXECUTABLE"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        context = await browser.new_context(base_url=portal_url)
        context.set_default_timeout(10_000)
        pages = {name: await context.new_page() for name in OPENERS}
        for name, opener in OPENERS.items():
            await pages[name].goto("/state/sign-in?next=/schedule")
            await opener(pages[name])
        yield pages
        await browser.close()


async def open_patient(page: Page) -> None:
    await page.goto("/patients/1001")
    await page.evaluate(ADD_TO_PAGE)


async def open_schedule(page: Page) -> None:
    await page.goto("/schedule")


async def open_register(page: Page) -> None:
    await page.goto("/patients")
    await page.get_by_role("table").wait_for()


async def open_eligibility(page: Page) -> None:
    await page.goto("/eligibility")
    frame = page.frame_locator("#payer-frame")
    await frame.get_by_label("Member ID").fill("NW-4471-203")
    await frame.get_by_role("button").click()
    await frame.get_by_test_id("eligibility-answer").wait_for()


async def open_notes(page: Page) -> None:
    await page.goto("/notes")
    for note in ("Call the lab", "Order gloves", "Call the payer"):
        await page.get_by_label("Note text").fill(note)
        await page.get_by_role("button", name="Pin note").click()


async def open_preferences(page: Page) -> None:
    await page.goto("/preferences")


async def open_coverage(page: Page) -> None:
    await page.goto("/intake/patient")
    for label, answer in (("Referral number", "R-1"), ("First name", "Ada"), ("Last name", "Byron")):
        await page.get_by_label(label).fill(answer)
    await page.get_by_label("Date of birth").fill("1990-12-10")
    await page.get_by_label("Preferred language").select_option("English")
    await page.get_by_label("Female", exact=True).check()
    await page.get_by_role("button", name="Continue").click()
    await page.get_by_role("combobox", name="Insurance plan").wait_for()
    await page.get_by_label("Relationship to the insured").select_option(index=1)


async def open_intake(page: Page) -> None:
    await page.goto("/intake/patient")


OPENERS = {
    "patient": open_patient,
    "schedule": open_schedule,
    "register": open_register,
    "eligibility": open_eligibility,
    "notes": open_notes,
    "preferences": open_preferences,
    "coverage": open_coverage,
    "intake": open_intake,
}

Direct = Callable[[Page], Locator]


def frame_of(page: Page, **which: Any) -> Any:
    """`page.frame(…)`, which is there."""
    frame = page.frame(**which)
    assert frame is not None
    return frame


# (page, command, the same in Python, how many elements at least)
CASES: list[tuple[str, str, Direct, int]] = [
    # get_by_role with each option
    ("patient", 'get_by_role("row")', lambda page: page.get_by_role("row"), 3),
    ("patient", 'get_by_role(role="link")', lambda page: page.get_by_role("link"), 5),
    ("patient", 'page.get_by_role("button")', lambda page: page.get_by_role("button"), 5),
    ("patient", 'get_by_role("link", name="summary")', lambda page: page.get_by_role("link", name="summary"), 2),
    (
        "patient",
        'get_by_role("link", name="download visit summary", exact=False)',
        lambda page: page.get_by_role("link", name="download visit summary", exact=False),
        1,
    ),
    (
        "patient",
        'get_by_role("link", name="download visit summary", exact=True)',
        lambda page: page.get_by_role("link", name="download visit summary", exact=True),
        0,
    ),
    (
        "patient",
        'get_by_role("link", name="Download visit summary", exact=True)',
        lambda page: page.get_by_role("link", name="Download visit summary", exact=True),
        1,
    ),
    (
        "patient",
        'get_by_role("link", name=re.compile(r"^(save|open)\\b", re.IGNORECASE))',
        lambda page: page.get_by_role("link", name=re.compile(r"^(save|open)\b", re.IGNORECASE)),
        2,
    ),
    (
        "patient",
        'get_by_role("link", name=re.compile("^(save|open)"))',
        lambda page: page.get_by_role("link", name=re.compile("^(save|open)")),
        0,
    ),
    (
        "intake",
        'get_by_role("textbox", description="referring practice")',
        lambda page: page.get_by_role("textbox", description="referring practice"),
        1,
    ),
    (
        "intake",
        'get_by_role("textbox", description=re.compile("^from the", re.I))',
        lambda page: page.get_by_role("textbox", description=re.compile("^from the", re.IGNORECASE)),
        1,
    ),
    ("preferences", 'get_by_role("radio", checked=True)', lambda page: page.get_by_role("radio", checked=True), 1),
    ("preferences", 'get_by_role("radio", checked=False)', lambda page: page.get_by_role("radio", checked=False), 1),
    ("preferences", 'get_by_role("radio", checked=None)', lambda page: page.get_by_role("radio", checked=None), 2),
    ("patient", 'get_by_role("button", disabled=True)', lambda page: page.get_by_role("button", disabled=True), 1),
    ("patient", 'get_by_role("button", disabled=False)', lambda page: page.get_by_role("button", disabled=False), 4),
    ("patient", 'get_by_role("button", expanded=True)', lambda page: page.get_by_role("button", expanded=True), 1),
    ("patient", 'get_by_role("button", expanded=False)', lambda page: page.get_by_role("button", expanded=False), 1),
    (
        "coverage",
        'get_by_role("combobox", expanded=False)',
        lambda page: page.get_by_role("combobox", expanded=False),
        1,
    ),
    (
        "coverage",
        'get_by_role("option", include_hidden=True)',
        lambda page: page.get_by_role("option", include_hidden=True),
        10,
    ),
    (
        "coverage",
        'get_by_role("option", include_hidden=False)',
        lambda page: page.get_by_role("option", include_hidden=False),
        3,
    ),
    ("patient", 'get_by_role("button", pressed=True)', lambda page: page.get_by_role("button", pressed=True), 1),
    ("patient", 'get_by_role("button", pressed=False)', lambda page: page.get_by_role("button", pressed=False), 1),
    ("coverage", 'get_by_role("option", selected=True)', lambda page: page.get_by_role("option", selected=True), 1),
    ("coverage", 'get_by_role("option", selected=False)', lambda page: page.get_by_role("option", selected=False), 3),
    ("patient", 'get_by_role("heading", level=1)', lambda page: page.get_by_role("heading", level=1), 1),
    ("patient", 'get_by_role("heading", level=2)', lambda page: page.get_by_role("heading", level=2), 4),
    (
        "patient",
        'get_by_role("button", name="facts", expanded=True, disabled=False, include_hidden=True)',
        lambda page: page.get_by_role("button", name="facts", expanded=True, disabled=False, include_hidden=True),
        1,
    ),
    # The finders by text: part, exact, pattern, flags, keyword
    ("patient", 'get_by_text("paid")', lambda page: page.get_by_text("paid"), 2),
    ("patient", 'get_by_text(text="claims")', lambda page: page.get_by_text("claims"), 2),
    ("patient", 'get_by_text("paid", exact=True)', lambda page: page.get_by_text("paid", exact=True), 0),
    ("patient", 'get_by_text("Paid", exact=True)', lambda page: page.get_by_text("Paid", exact=True), 2),
    ("patient", 'get_by_text("Paid", exact=None)', lambda page: page.get_by_text("Paid", exact=None), 2),
    ("patient", r'get_by_text(re.compile(r"^\$\d+"))', lambda page: page.get_by_text(re.compile(r"^\$\d+")), 3),
    (
        "patient",
        'get_by_text(re.compile("^PAID$", re.I))',
        lambda page: page.get_by_text(re.compile("^PAID$", re.IGNORECASE)),
        2,
    ),
    ("patient", 'get_by_text(re.compile("^PAID$"))', lambda page: page.get_by_text(re.compile("^PAID$")), 0),
    (
        "patient",
        'get_by_test_id("lines").filter(has_text=re.compile("one.*two", re.S))',
        lambda page: page.get_by_test_id("lines").filter(has_text=re.compile("one.*two", re.DOTALL)),
        1,
    ),
    (
        "patient",
        'get_by_test_id("lines").filter(has_text=re.compile("^LINE.TWO$", re.I | re.M | re.DOTALL))',
        lambda page: page.get_by_test_id("lines").filter(
            has_text=re.compile("^LINE.TWO$", re.IGNORECASE | re.MULTILINE | re.DOTALL)
        ),
        1,
    ),
    (
        "patient",
        'get_by_text(re.compile("one.line", re.IGNORECASE | re.DOTALL | re.MULTILINE))',
        lambda page: page.get_by_text(re.compile("one.line", re.IGNORECASE | re.DOTALL | re.MULTILINE)),
        1,
    ),
    ("patient", 'get_by_text("It\'s \\"quoted\\"")', lambda page: page.get_by_text('It\'s "quoted"'), 0),
    ("schedule", 'get_by_text("Fernández")', lambda page: page.get_by_text("Fernández"), 1),
    ("intake", 'get_by_label("name")', lambda page: page.get_by_label("name"), 2),
    ("intake", 'get_by_label("First name", exact=True)', lambda page: page.get_by_label("First name", exact=True), 1),
    ("intake", 'get_by_label("first name", exact=True)', lambda page: page.get_by_label("first name", exact=True), 0),
    ("intake", 'get_by_label(text="Male", exact=True)', lambda page: page.get_by_label("Male", exact=True), 1),
    (
        "intake",
        'get_by_label(re.compile("(FIRST|last) name", re.I))',
        lambda page: page.get_by_label(re.compile("(FIRST|last) name", re.IGNORECASE)),
        2,
    ),
    ("register", 'get_by_placeholder("okafor")', lambda page: page.get_by_placeholder("okafor"), 1),
    (
        "register",
        'get_by_placeholder(text="Okafor or NW-4471-203", exact=True)',
        lambda page: page.get_by_placeholder("Okafor or NW-4471-203", exact=True),
        1,
    ),
    (
        "register",
        'get_by_placeholder("Okafor", exact=True)',
        lambda page: page.get_by_placeholder("Okafor", exact=True),
        0,
    ),
    (
        "register",
        r'get_by_placeholder(re.compile(r"NW-\d{4}"))',
        lambda page: page.get_by_placeholder(re.compile(r"NW-\d{4}")),
        1,
    ),
    ("patient", 'get_by_alt_text("port ellery")', lambda page: page.get_by_alt_text("port ellery"), 2),
    (
        "patient",
        'get_by_alt_text(text="Port Ellery", exact=True)',
        lambda page: page.get_by_alt_text("Port Ellery", exact=True),
        1,
    ),
    ("patient", 'get_by_alt_text(re.compile("harbor$"))', lambda page: page.get_by_alt_text(re.compile("harbor$")), 1),
    ("patient", 'get_by_title("the")', lambda page: page.get_by_title("the"), 2),
    ("patient", 'get_by_title("The port", exact=True)', lambda page: page.get_by_title("The port", exact=True), 1),
    (
        "eligibility",
        'get_by_title(re.compile("^Elig.*check$"))',
        lambda page: page.get_by_title(re.compile("^Elig.*check$")),
        1,
    ),
    ("patient", 'get_by_test_id("member-id")', lambda page: page.get_by_test_id("member-id"), 1),
    ("patient", 'get_by_test_id(test_id="plan")', lambda page: page.get_by_test_id("plan"), 1),
    (
        "patient",
        'get_by_test_id(re.compile("^(birth-date|co)"))',
        lambda page: page.get_by_test_id(re.compile("^(birth-date|co)")),
        2,
    ),
    # locator: each kind of selector, each option
    ("patient", 'locator("dl.facts > div")', lambda page: page.locator("dl.facts > div"), 6),
    ("patient", "locator('css=td.number')", lambda page: page.locator("css=td.number"), 6),
    ("patient", 'locator(selector="#facts-title")', lambda page: page.locator("#facts-title"), 1),
    ("patient", 'locator(selector_or_locator="#facts-title")', lambda page: page.locator(selector="#facts-title"), 1),
    ("patient", 'locator("xpath=//table//td[1]")', lambda page: page.locator("xpath=//table//td[1]"), 2),
    (
        "patient",
        "locator(\"//dt[.='Plan']/following-sibling::dd\")",
        lambda page: page.locator("//dt[.='Plan']/following-sibling::dd"),
        1,
    ),
    ("patient", 'locator("text=Member ID")', lambda page: page.locator("text=Member ID"), 1),
    ("patient", "locator('text=\"Plan\"')", lambda page: page.locator('text="Plan"'), 1),
    ("patient", 'locator("role=heading[level=2]")', lambda page: page.locator("role=heading[level=2]"), 4),
    ("patient", 'locator("section >> text=Paid")', lambda page: page.locator("section >> text=Paid"), 2),
    (
        "patient",
        'locator("tr:has-text(\\"Metabolic\\") td:nth-child(3)")',
        lambda page: page.locator('tr:has-text("Metabolic") td:nth-child(3)'),
        1,
    ),
    ("patient", 'locator("tr", has_text="metabolic")', lambda page: page.locator("tr", has_text="metabolic"), 1),
    (
        "patient",
        r'locator("tr", has_text=re.compile(r"C-\d+-01"))',
        lambda page: page.locator("tr", has_text=re.compile(r"C-\d+-01")),
        1,
    ),
    (
        "patient",
        'locator("tr", has_not_text="Metabolic")',
        lambda page: page.locator("tr", has_not_text="Metabolic"),
        2,
    ),
    (
        "patient",
        'locator("tr", has=page.get_by_text("80053"))',
        lambda page: page.locator("tr", has=page.get_by_text("80053")),
        1,
    ),
    (
        "patient",
        'locator("tr", has_not=page.locator("td"))',
        lambda page: page.locator("tr", has_not=page.locator("td")),
        1,
    ),
    (
        "patient",
        'locator("section", has=page.get_by_role("row").filter(has=page.get_by_text("Paid")), has_not_text="Plan")',
        lambda page: page.locator(
            "section",
            has=page.get_by_role("row").filter(has=page.get_by_text("Paid")),
            has_not_text="Plan",
        ),
        1,
    ),
    (
        "patient",
        'locator("section").locator(page.get_by_role("link"))',
        lambda page: page.locator("section").locator(page.get_by_role("link")),
        3,
    ),
    (
        "patient",
        'locator("table").locator("td", has_text="Paid")',
        lambda page: page.locator("table").locator("td", has_text="Paid"),
        2,
    ),
    # Which of several
    ("patient", 'get_by_role("row").nth(1)', lambda page: page.get_by_role("row").nth(1), 1),
    ("patient", 'get_by_role("row").nth(index=-1)', lambda page: page.get_by_role("row").nth(-1), 1),
    ("patient", 'get_by_role("row").nth(99)', lambda page: page.get_by_role("row").nth(99), 0),
    ("patient", 'get_by_role("row").first', lambda page: page.get_by_role("row").first, 1),
    ("patient", 'get_by_role("row").last', lambda page: page.get_by_role("row").last, 1),
    (
        "patient",
        'get_by_role("row").last.get_by_role("cell").nth(2).locator("small").first',
        lambda page: page.get_by_role("row").last.get_by_role("cell").nth(2).locator("small").first,
        1,
    ),
    # filter
    (
        "schedule",
        'get_by_role("row").filter(has_text="Fernández")',
        lambda page: page.get_by_role("row").filter(has_text="Fernández"),
        1,
    ),
    (
        "schedule",
        'get_by_role("row").filter(has_not_text=re.compile("checked out", re.I))',
        lambda page: page.get_by_role("row").filter(has_not_text=re.compile("checked out", re.IGNORECASE)),
        5,
    ),
    (
        "schedule",
        'get_by_role("row").filter(has=page.get_by_role("button"))',
        lambda page: page.get_by_role("row").filter(has=page.get_by_role("button")),
        2,
    ),
    (
        "schedule",
        'get_by_role("row").filter(has_not=page.get_by_role("button"), has_text="Room 1")',
        lambda page: page.get_by_role("row").filter(has_not=page.get_by_role("button"), has_text="Room 1"),
        1,
    ),
    (
        "patient",
        'locator("#more > *").filter(visible=True)',
        lambda page: page.locator("#more > *").filter(visible=True),
        5,
    ),
    (
        "patient",
        'locator("#more > *").filter(visible=False)',
        lambda page: page.locator("#more > *").filter(visible=False),
        1,
    ),
    ("patient", 'locator("#more > *").filter()', lambda page: page.locator("#more > *").filter(), 8),
    (
        "schedule",
        'get_by_role("row").filter(has=page.get_by_text("Confirmed")).filter(has_text="Room").get_by_role("link").first',
        lambda page: (
            page.get_by_role("row")
            .filter(has=page.get_by_text("Confirmed"))
            .filter(has_text="Room")
            .get_by_role("link")
            .first
        ),
        1,
    ),
    # and, or
    (
        "patient",
        'get_by_role("link").and_(page.get_by_text("Claims"))',
        lambda page: page.get_by_role("link").and_(page.get_by_text("Claims")),
        1,
    ),
    (
        "patient",
        'get_by_role("link").and_(locator=page.locator("[download]"))',
        lambda page: page.get_by_role("link").and_(page.locator("[download]")),
        1,
    ),
    (
        "patient",
        'get_by_test_id("plan").or_(page.get_by_test_id("status"))',
        lambda page: page.get_by_test_id("plan").or_(page.get_by_test_id("status")),
        2,
    ),
    (
        "patient",
        'get_by_test_id("nobody").or_(page.get_by_role("heading", level=1)).first',
        lambda page: page.get_by_test_id("nobody").or_(page.get_by_role("heading", level=1)).first,
        1,
    ),
    (
        "patient",
        'get_by_test_id("plan").describe("the plan")',
        lambda page: page.get_by_test_id("plan").describe("the plan"),
        1,
    ),
    (
        "patient",
        'get_by_role("row").describe(description="rows").last',
        lambda page: page.get_by_role("row").describe("rows").last,
        1,
    ),
    # Frames
    (
        "eligibility",
        'frame_locator("#payer-frame").get_by_label("Member ID")',
        lambda page: page.frame_locator("#payer-frame").get_by_label("Member ID"),
        1,
    ),
    (
        "eligibility",
        'frame_locator(selector="iframe").first.get_by_role("button")',
        lambda page: page.frame_locator("iframe").first.get_by_role("button"),
        1,
    ),
    (
        "eligibility",
        'frame_locator("iframe").last.locator("dt")',
        lambda page: page.frame_locator("iframe").last.locator("dt"),
        4,
    ),
    (
        "eligibility",
        'frame_locator("iframe").nth(0).get_by_placeholder("NW-4471-203")',
        lambda page: page.frame_locator("iframe").nth(0).get_by_placeholder("NW-4471-203"),
        1,
    ),
    (
        "eligibility",
        'locator("#payer-frame").content_frame.get_by_test_id(re.compile("^eligibility-"))',
        lambda page: page.locator("#payer-frame").content_frame.get_by_test_id(re.compile("^eligibility-")),
        4,
    ),
    (
        "eligibility",
        'get_by_title("Eligibility check").content_frame.get_by_role("option").filter(has_text="Imaging")',
        lambda page: (
            page.get_by_title("Eligibility check").content_frame.get_by_role("option").filter(has_text="Imaging")
        ),
        1,
    ),
    (
        "eligibility",
        'locator("section").frame_locator("iframe").get_by_text("Eligible", exact=True)',
        lambda page: page.locator("section").frame_locator("iframe").get_by_text("Eligible", exact=True),
        1,
    ),
    ("eligibility", 'frame_locator("#payer-frame").owner', lambda page: page.frame_locator("#payer-frame").owner, 1),
    (
        "eligibility",
        'locator("iframe").content_frame.first.owner.and_(page.locator("#payer-frame"))',
        lambda page: page.locator("iframe").content_frame.first.owner.and_(page.locator("#payer-frame")),
        1,
    ),
    (
        "eligibility",
        'locator("section", has=page.locator("iframe")).locator("iframe").content_frame.locator("dl > div").nth(1)',
        lambda page: (
            page.locator("section", has=page.locator("iframe"))
            .locator("iframe")
            .content_frame.locator("dl > div")
            .nth(1)
        ),
        1,
    ),
    (
        "eligibility",
        'frame_locator("iframe").locator("tr").or_(page.frame_locator("iframe").locator("select"))',
        lambda page: page.frame_locator("iframe").locator("tr").or_(page.frame_locator("iframe").locator("select")),
        1,
    ),
    (
        "eligibility",
        'frame_locator("iframe").locator("div", has=page.get_by_text("Plan"))',
        lambda page: page.frame_locator("iframe").locator("div", has=page.get_by_text("Plan")),
        1,
    ),
    ("eligibility", 'main_frame.get_by_role("heading")', lambda page: page.main_frame.get_by_role("heading"), 3),
    ("eligibility", 'page.main_frame.locator("a").nth(-1)', lambda page: page.main_frame.locator("a").nth(-1), 1),
    (
        "eligibility",
        'frame("payer-frame").get_by_role("button")',
        lambda page: frame_of(page, name="payer-frame").get_by_role("button"),
        1,
    ),
    (
        "eligibility",
        'frame(name="payer-frame").locator("dd").last',
        lambda page: frame_of(page, name="payer-frame").locator("dd").last,
        1,
    ),
    (
        "eligibility",
        'frame("payer-frame", url=re.compile("eligibility/frame")).get_by_label("Service")',
        lambda page: frame_of(page, name="payer-frame", url=re.compile("eligibility/frame")).get_by_label("Service"),
        1,
    ),
    (
        "eligibility",
        'frame("payer-frame", url="**/eligibility/frame?*").get_by_text("Copay")',
        lambda page: frame_of(page, name="payer-frame", url="**/eligibility/frame?*").get_by_text("Copay"),
        1,
    ),
    ("eligibility", 'frames[0].get_by_role("listitem")', lambda page: page.frames[0].get_by_role("listitem"), 3),
    ("eligibility", 'frames[1].get_by_role("textbox")', lambda page: page.frames[1].get_by_role("textbox"), 1),
    (
        "eligibility",
        'page.frames[-1].get_by_test_id("eligibility-plan")',
        lambda page: page.frames[-1].get_by_test_id("eligibility-plan"),
        1,
    ),
    ("eligibility", 'get_by_label("Member ID")', lambda page: page.get_by_label("Member ID"), 0),
    # A shadow root, which finders look into by themselves (and XPath does not)
    ("notes", 'get_by_label("Note text")', lambda page: page.get_by_label("Note text"), 1),
    (
        "notes",
        'locator("nw-pinboard").get_by_role("listitem")',
        lambda page: page.locator("nw-pinboard").get_by_role("listitem"),
        3,
    ),
    (
        "notes",
        'locator("nw-pinboard li").filter(has_text=re.compile("^call", re.I)).get_by_role("button", name="Unpin")',
        lambda page: (
            page.locator("nw-pinboard li")
            .filter(has_text=re.compile("^call", re.IGNORECASE))
            .get_by_role("button", name="Unpin")
        ),
        2,
    ),
    ("notes", 'get_by_text("3 notes are pinned.")', lambda page: page.get_by_text("3 notes are pinned."), 1),
    (
        "notes",
        'locator("css=section >> css=li >> nth=-1")',
        lambda page: page.locator("css=section >> css=li >> nth=-1"),
        1,
    ),
    (
        "notes",
        'get_by_role("list", name="Pinned").locator("li", has=page.get_by_text("gloves"), has_not_text="lab")',
        lambda page: page.get_by_role("list", name="Pinned").locator(
            "li", has=page.get_by_text("gloves"), has_not_text="lab"
        ),
        1,
    ),
    ("notes", 'locator("xpath=//nw-pinboard//li")', lambda page: page.locator("xpath=//nw-pinboard//li"), 0),
    # Written otherwise
    ("patient", "\"get_by_test_id('plan')\"", lambda page: page.get_by_test_id("plan"), 1),
    ("patient", " page.get_by_test_id(\n  '''pl'''  'an' # the plan\n) ", lambda page: page.get_by_test_id("plan"), 1),
    (
        "register",
        "get_by_role('row').filter(has_text='NW-').nth(2).get_by_role('link')",
        lambda page: page.get_by_role("row").filter(has_text="NW-").nth(2).get_by_role("link"),
        1,
    ),
]


async def elements(locator: Locator) -> tuple[int, list[str]]:
    return await locator.count(), await locator.evaluate_all(PATHS)


@pytest.mark.parametrize(("page_name", "command", "direct", "least"), CASES, ids=[case[1] for case in CASES])
def test_a_command_finds_what_playwright_finds(
    desk: Desk, page_name: str, command: str, direct: Direct, least: int
) -> None:
    page = desk.pages[page_name]
    parsed = parse_locator(command)
    assert parsed is not None

    found = desk.run(elements(build_locator(parsed, page)))

    expected = desk.run(elements(direct(page)))
    assert found == expected
    assert len(found[1]) == found[0]
    assert found[0] >= least if least else found[0] == 0


@pytest.mark.parametrize(
    "command", ['frame("nobody").locator("a")', 'frames[7].locator("a")', 'frames[-8].locator("a")']
)
def test_a_frame_that_is_not_there_is_an_element_that_is_not_found(desk: Desk, command: str) -> None:
    parsed = parse_locator(command)
    assert parsed is not None
    with pytest.raises(ElementNotFoundError):
        build_locator(parsed, desk.pages["eligibility"])


def test_elements_of_different_places_have_different_paths(desk: Desk) -> None:
    finders = [
        desk.pages["eligibility"].locator("*"),
        desk.pages["eligibility"].frames[1].locator("*"),
        desk.pages["notes"].locator("*"),
    ]
    paths = [path for finder in finders for path in desk.run(elements(finder))[1]]
    assert len(paths) > 100
    assert len(set(paths)) == len(paths)


def test_every_method_option_and_property_of_the_grammar_is_in_the_table() -> None:
    commands = [parse_locator(command) for _, command, _, _ in CASES]
    used = {part for command in commands if command is not None for part in parts_of(command)}
    signatures = {(method, option) for method, signature in _SIGNATURES.items() for option in signature.options}
    assert used >= {*signatures, *((method, "") for method in _SIGNATURES), *get_args(PropertyName), "frames"}


def parts_of(command: LocatorCommand) -> Iterator[object]:
    for step in command.steps:
        match step:
            case Call(method=method, arguments=arguments, options=options):
                yield method, ""
                yield from ((method, option) for option, _ in options)
                values: list[Argument] = [*arguments, *(value for _, value in options)]
                for value in values:
                    if isinstance(value, LocatorCommand):
                        yield from parts_of(value)
            case Property(name=name):
                yield name
            case FrameAt():
                yield "frames"
