"""What a script can do with its page, its browser and its files, and what it is refused."""

import inspect
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Keyboard, Locator, Mouse, Page

from executor.scripts import interface, vocabulary
from executor.scripts.arguments import CallRefusedError
from executor.scripts.interface import as_json
from executor.scripts.vocabulary import Method
from tests.executor.conftest import RunNodes, read
from tests.executor.scripts.conftest import act, extraction, gives
from tests.executor.site.server import Site

database = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (vocabulary.PAGE, Page),
        (vocabulary.LOCATOR, Locator),
        (vocabulary.KEYBOARD, Keyboard),
        (vocabulary.MOUSE, Mouse),
    ],
    ids=["page", "locator", "keyboard", "mouse"],
)
def test_every_word_is_playwrights(ours: dict[str, Method], theirs: type) -> None:
    for name, method in ours.items():
        member = getattr(theirs, name)
        if isinstance(member, property):
            assert not method.positional, name
            continue
        parameters = list(inspect.signature(member).parameters.values())[1:]
        positional = [each.name for each in parameters if each.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
        assert list(method.positional) == positional[: len(method.positional)], name
        assert set(method.options) <= {each.name for each in parameters}, name
        needed = [each.name for each in parameters if each.default is inspect.Parameter.empty]
        assert method.required == len(needed), name


@database
def test_a_script_reads_and_fills_in_a_page(run_scripts: RunNodes, site: Site) -> None:
    outcome = run_scripts(
        [
            gives(
                """
                import re
                page = await browser.get_current_page()
                name = page.get_by_label("Name")
                await name.fill("Ada")
                await page.fill("#notes", "first")
                await page.locator("#typed").press_sequentially("ab", delay=1)
                await page.keyboard.press("End")
                await page.keyboard.type("c")
                await page.get_by_role("checkbox", name="Agree").check()
                chosen = await page.get_by_label("Plan").select_option(label="PPO Plus")
                days = await page.locator("#days").select_option(["Monday", "Friday"])
                await page.get_by_role("button", name=re.compile("save", re.I)).click()
                box = await name.bounding_box()
                await page.mouse.move(box["x"] + 1, box["y"] + 1, steps=2)
                await page.wait_for_selector("#gone", state="detached")
                return {
                    "title": await page.title(),
                    "url": page.url,
                    "sent": await page.inner_text("#out"),
                    "name": await name.input_value(),
                    "typed": await page.locator("#typed").evaluate("(e, more) => e.value + more", "!"),
                    "labels": await page.locator("label").evaluate_all("(a, n) => a.slice(0, n).map(e => e.id)", 2),
                    "agree": await page.is_checked("#agree"),
                    "chosen": chosen,
                    "days": days,
                    "options": await page.locator("#plan option").all_inner_texts(),
                    "count": await page.locator("input[type=radio]").count(),
                    "first radio": await (await page.locator("input[type=radio]").all())[0].get_attribute("id"),
                    "last radio": await page.locator("input[type=radio]").last.get_attribute("id"),
                    "filtered": await page.locator("label", has_text="Blue").filter(has=page.locator("#blue")).count(),
                    "either": await page.locator("#red").or_(page.locator("#blue")).count(),
                    "both": await page.locator("#red").and_(page.locator("[name=color]")).count(),
                    "second": await page.locator("option").nth(1).text_content(),
                    "content": "<form" in await page.content(),
                    "value": await page.evaluate(
                        "async ([a, b]) => ({sum: a + b, when: new Date(0), no: NaN, nil: undefined})", [1, 2]
                    ),
                    "visible": await page.wait_for_selector("#out") is not None,
                    "quotes": await page.locator("text='no \\"such\\" {who[0]}'").count(),
                }
                """
            )
        ],
        url=f"{site.url}/form",
        inputs={"who": ["Ada"]},
    )
    assert outcome.error is None
    assert outcome.values() == {
        "title": "Form",
        "url": f"{site.url}/form",
        "sent": "sent Ada",
        "name": "Ada",
        "typed": "abc!",
        "labels": ["", ""],
        "agree": True,
        "chosen": ["ppo"],
        "days": ["Monday", "Friday"],
        "options": ["Choose", "HMO Basic", "PPO Plus"],
        "count": 2,
        "first radio": "red",
        "last radio": "blue",
        "filtered": 1,
        "either": 2,
        "both": 1,
        "second": "HMO Basic",
        "content": True,
        "value": {"sum": 3, "when": "1970-01-01T00:00:00+00:00", "no": None, "nil": None},
        "visible": True,
        "quotes": 0,
    }


@database
def test_calls_may_be_made_at_the_same_time(run_scripts: RunNodes, site: Site) -> None:
    outcome = run_scripts(
        [
            gives(
                """
                import asyncio
                page = await ctx.get_page()
                wait = "n => new Promise(done => setTimeout(() => done('x'.repeat(50_000) + n), 100))"
                many = await asyncio.gather(*(page.evaluate(wait, n) for n in range(60)))
                return {"ends": [each[-2:] for each in many[::20]], "sizes": sorted({len(each) for each in many})}
                """
            )
        ],
        url=f"{site.url}/form",
    )
    assert outcome.values() == {"ends": ["x0", "20", "40"], "sizes": [50001, 50002]}


@database
def test_navigation_goes_by_the_servers_rules(run_scripts: RunNodes, site: Site) -> None:
    outcome = run_scripts(
        [
            act(
                f"""
                import re
                async def code_fn(page, ctx):
                    from playwright.async_api import Error, TimeoutError
                    await page.goto("{site.url}/form", timeout=1000, wait_until="load")
                    await page.wait_for_url("**/form")
                    await page.wait_for_url(re.compile("/form$"), wait_until="commit")
                    await page.wait_for_url(lambda url: url.endswith("form"))
                    await page.wait_for_load_state("domcontentloaded")
                    await page.wait_for_function("n => n === 1", arg=1)
                    await page.wait_for_timeout(1)
                    for address in ("file:///etc/passwd", "chrome://version", "view-source:{site.url}/"):
                        try:
                            await page.goto(address)
                        except Error as error:
                            ctx.state[address] = str(error)
                    try:
                        await page.wait_for_url("**/elsewhere", timeout=120)
                    except TimeoutError as error:
                        ctx.state["waited"] = str(error)
                    try:
                        await page.locator("#nowhere").click(timeout=50)
                    except TimeoutError as error:
                        ctx.state["clicked"] = str(error)
                    try:
                        await page.evaluate("nothing.at.all")
                    except Error as error:
                        ctx.state["evaluated"] = error.message
                """
            ),
            gives("return ctx.state | {'url': (await ctx.get_page()).url}"),
        ]
    )
    assert outcome.error is None
    values = outcome.values()
    assert values.pop("url") == f"{site.url}/form"
    assert values.pop("waited") == "Timeout 120ms exceeded."
    assert values.pop("clicked") == "Timeout 50ms exceeded."
    assert values.pop("evaluated") == "ReferenceError: nothing is not defined"
    assert len(values) == 3
    assert all("could not open" in each or "may not be opened" in each for each in values.values()), values


@database
def test_a_new_tab_is_the_current_page_afterwards(run_scripts: RunNodes, site: Site) -> None:
    outcome = run_scripts(
        [
            gives(
                f"""
                first = await browser.get_current_page()
                await first.evaluate("url => void window.open(url)", "{site.url}/late")
                for _ in range(200):
                    second = await browser.get_current_page()
                    if second.url.endswith("/late"):
                        break
                    await first.wait_for_timeout(20)
                await second.wait_for_load_state()
                return {{"first": first.url, "second": await second.title()}}
                """
            )
        ],
        url=f"{site.url}/form",
    )
    assert outcome.values() == {"first": f"{site.url}/form", "second": "Late"}


@database
def test_frames_are_reached_through_locators(run_scripts: RunNodes, site: Site) -> None:
    outcome = run_scripts(
        [
            gives(
                f"""
                page = await browser.get_current_page()
                await page.evaluate(
                    "url => {{ const f = document.createElement('iframe'); f.src = url; document.body.append(f); }}",
                    "{site.url}/form",
                )
                frame = page.frame_locator("iframe").first.last.nth(0)
                await frame.get_by_label("Name").fill("in the frame")
                content = page.locator("iframe").content_frame
                return {{
                    "value": await content.locator("#q").input_value(),
                    "owner": await frame.owner.evaluate("e => e.tagName"),
                    "main": await page.main_frame.get_by_text("Save draft").count(),
                }}
                """
            )
        ],
        url=f"{site.url}/form",
    )
    assert outcome.values() == {"value": "in the frame", "owner": "IFRAME", "main": 1}


@database
def test_a_script_cannot_collect_pages_without_end(
    run_scripts: RunNodes, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interface, "_MAX_PAGES", 1)
    outcome = run_scripts(
        [
            gives(
                """
                page = await browser.get_current_page()
                await page.evaluate("() => void window.open('about:blank')")
                while (await browser.get_current_page())._page == 0:
                    await page.wait_for_timeout(20)
                """
            )
        ],
        url=f"{site.url}/form",
    )
    assert "the script has asked for too many pages" in str(outcome.error)


# --- files


@database
def test_files_of_a_script_are_downloads_of_the_task(run_scripts: RunNodes) -> None:
    outcome = run_scripts(
        [
            gives(
                """
                one = await ctx.save_download("report.csv", "a,ä", metadata={"for": "{who[0]}", "n": 1})
                two = await ctx.save_download("report.csv", b"\\x00\\xff")
                made = ctx.downloads_dir / "made.bin"
                made.write_bytes(b"x" * 3_000_000)
                three = await ctx.save_download("../../etc/passwd", path=made)
                return {"names": [one.name, two.name, three.name], "texts": [one.read_text(), three.stat().st_size]}
                """
            ),
            gives("return {'seen': sorted([p.name, p.stat().st_size] for p in ctx.downloads_dir.iterdir())}"),
        ],
        inputs={"who": ["Ada"]},
        expected_downloads=3,
    )
    assert outcome.error is None
    values = outcome.values()
    *names, clean = values["names"]
    assert names == ["report.csv", "report_2.csv"]
    assert "/" not in clean
    assert clean.endswith("_etc_passwd")
    assert values["texts"] == ["a,ä", 3_000_000]
    assert values["seen"] == sorted([[clean, 3_000_000], ["report.csv", 4], ["report_2.csv", 2]])
    files = outcome.files()
    assert files["report.csv"] == "a,ä".encode()
    assert files["report_2.csv"] == b"\x00\xff"
    assert len(files[clean]) == 3_000_000
    metadata = outcome.task.artifacts.get(filename="report.csv").metadata
    assert metadata == {"for": "Ada", "n": 1}


def outcome_of_each(bodies: list[str]) -> dict[str, Any]:
    """A node whose script runs each of `bodies` with `page`, `browser` and `ctx`, and tells what each raised."""
    functions = "\n".join(f"async def body{number}(page, browser, ctx): {body}" for number, body in enumerate(bodies))
    return extraction(
        f"""{functions}
async def code_fn(axtree, browser, ctx):
    raised = []
    for body in ({"".join(f"body{number}, " for number in range(len(bodies)))}):
        try:
            raised.append(f"gave {{await body(await browser.get_current_page(), browser, ctx)!r}}")
        except Exception as error:
            raised.append(f"{{type(error).__name__}}: {{error}}")
    return {{"raised": raised}}
"""
    )


BAD_DOWNLOADS = {
    "await ctx.save_download('a.txt')": "ValueError: save_download needs either content or path",
    "await ctx.save_download('a.txt', 'x', path='y')": "ValueError: save_download needs either content or path",
    "await ctx.save_download('a.txt', b'')": "is empty",
    "await ctx.save_download('a.txt', path='nowhere')": "FileNotFoundError",
    "await ctx.save_download('a.txt', 'x', metadata=[1])": "metadata is not usable",
}


@database
def test_a_download_that_cannot_be_saved_is_an_error_of_the_script(run_scripts: RunNodes) -> None:
    outcome = run_scripts([outcome_of_each(list(BAD_DOWNLOADS))])
    for raised, message in zip(outcome.values()["raised"], BAD_DOWNLOADS.values(), strict=True):
        assert message in raised
    assert outcome.files() == {}


@database
def test_a_file_is_kept_whatever_its_path_leads_to(run_scripts: RunNodes, tmp_path: Path) -> None:
    """A link is followed by the script's own process, which can reach nothing that matters."""
    secret = tmp_path / "secret"
    secret.write_text("MARKER")
    secret.chmod(0o644)
    body = f"""
        import os
        os.symlink({str(secret)!r}, "link")
        for path in ("link", {str(secret)!r}, "../../../../../../..{secret}"):
            try:
                await ctx.save_download("got.txt", path=path)
                return {{"got": path}}
            except OSError:
                pass
        return {{}}
    """
    outcome = run_scripts([gives(body)])
    assert outcome.values() == {}
    assert outcome.files() == {}


# --- what is refused


NOT_OFFERED = {
    "page.context": "a script has no page.context on this server",
    "page.locator('a').element_handles": "a script has no locator.element_handles",
    "page.locator('a').__class__.x": "has no attribute 'x'",
    "browser.contexts": "has no attribute 'contexts'",
    "await page.screenshot(path='x.png')": "a script has no page.screenshot",
    "await page.expose_function('f', print)": "a script has no page.expose_function",
    "await page.locator('a').click(1)": "click() takes 0 positional arguments, not 1",
    "await page.locator('a').fill('x', value='y')": "fill() got value twice",
    "await page.locator('a').fill('x', noise=1)": "fill() has no argument noise on this server",
    "await page.locator('a').fill()": "fill() needs value",
    "await page.locator('a').fill(7)": "fill: value is not usable (text)",
    "await page.locator('a').click(button='all')": "click: button is not usable (button)",
    "await page.locator('a').click(position={'x': 1})": "click: position is not usable (point)",
    "await page.locator('a').click(timeout=-1)": "click: timeout is not usable (timeout)",
    "await page.locator('a').click(modifiers=['Hyper'])": "click: modifiers is not usable",
    "await page.mouse.move(float('inf'), 0)": "move: it is not JSON",
    "await page.mouse.move(True, 0)": "move: x is not usable (number)",
    "await page.keyboard.press('NoSuchKey')": "Unknown key",
    "await page.locator('a').evaluate('e => e', object())": "evaluate: it is not JSON",
    "await page.locator('').count()": "css selector",
    "await page.locator('x' * 5000).count()": "the locator",
    "await page.frame_locator('iframe').nth('x').owner.count()": "ValueError",
    "await page.evaluate('\"x\".repeat(9_000_000)')": "the answer cannot be sent: it has 9,0",
    "await page.evaluate('() => { let d = 1; for (let i = 0; i < 300; i++) d = [d]; return d; }')": "too long",
}


@database
def test_what_is_not_offered_is_an_error_of_the_script(run_scripts: RunNodes, site: Site) -> None:
    outcome = run_scripts([outcome_of_each(list(NOT_OFFERED))], url=f"{site.url}/form")
    for body, raised in zip(NOT_OFFERED, outcome.values()["raised"], strict=True):
        assert NOT_OFFERED[body] in raised, body


FORGED: list[dict[str, Any]] = [
    {"on": "page", "page": 0, "method": "__class__"},
    {"on": "page", "page": 0, "method": "close"},
    {"on": "page", "page": 0, "method": "screenshot", "arguments": {"path": "x.png"}},
    {"on": "page", "page": 0, "method": ["title"]},
    {"on": "page", "page": 1, "method": "title"},
    {"on": "page", "page": -1, "method": "title"},
    {"on": "page", "page": True, "method": "title"},
    {"on": "page", "page": "0", "method": "title"},
    {"on": "page", "page": 0, "method": "title", "arguments": []},
    {"on": "page", "page": 0, "method": "title", "arguments": {"self": 1}},
    {"on": "page", "page": 0, "method": "evaluate", "arguments": {"arg": 1}},
    {"on": "locator", "page": 0, "method": "count"},
    {"on": "locator", "page": 0, "method": "count", "locator": 7},
    {"on": "locator", "page": 0, "method": "count", "locator": " "},
    {"on": "locator", "page": 0, "method": "count", "locator": "locator('a').click()"},
    {"on": "locator", "page": 0, "method": "count", "locator": "context.pages[0].locator('a')"},
    {"on": "locator", "page": 0, "method": "count", "locator": "__import__('os')"},
    {"on": "locator", "page": 0, "method": "drag_to", "locator": "locator('a')", "arguments": {"target": "x()"}},
    {"on": "locator", "page": 0, "method": "set_input_files", "arguments": {"files": "/etc/passwd"}},
    {"on": "run", "method": "masking"},
    {"on": {"a": 1}, "method": "x"},
    {"on": "browser", "method": "close"},
    {"on": "context", "method": "write_file", "arguments": {"file": 1, "piece": "eA=="}},
    {"on": "context", "method": "end_file", "arguments": {"file": 1, "filename": "x"}},
    {"on": "context", "method": "__init__", "arguments": {}},
    {},
]


@database
def test_forged_calls_are_refused(run_scripts: RunNodes, site: Site) -> None:
    body = f"""
        import asyncio
        page = await browser.get_current_page()
        answers = []
        for call in {FORGED!r}:
            answered = ctx._channel._waiting[77] = asyncio.get_running_loop().create_future()
            ctx._channel.send({{"call": 77, **call}})
            try:
                answers.append(await answered)
            except Exception as error:
                answers.append(type(error).__name__)
        return {{"answers": answers}}
    """
    outcome = run_scripts([gives(body), read('locator("form button")', "after")], url=f"{site.url}/form")
    assert outcome.error is None
    assert outcome.values() == {"answers": ["Error"] * len(FORGED), "after": "Save draft"}


@database
def test_a_broken_piece_of_a_file_is_refused(run_scripts: RunNodes) -> None:
    body = """
        number = await ctx._channel.call({"on": "context"}, "begin_file", {})
        try:
            await ctx._channel.call({"on": "context"}, "write_file", {"file": number, "piece": "not base64!"})
        except Exception as error:
            return {"refused": str(error)}
    """
    assert run_scripts([gives(body)]).values() == {"refused": "the piece of the file is not base64"}


def test_what_json_lacks_becomes_text_or_null() -> None:
    class Odd:
        def __str__(self) -> str:
            return "odd"

    assert as_json({1: (float("inf"), 2.5, Odd())}) == {"1": [None, 2.5, "odd"]}


def test_what_is_nested_too_deeply_is_refused() -> None:
    value: list[Any] = []
    for _ in range(200):
        value = [value]
    with pytest.raises(CallRefusedError, match="nested too deeply"):
        as_json(value)
