"""The script's side of the channel, in this process and thus not locked in: what it sends for what a script does.

The test is the worker here, at the other end of two pipes.
"""

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import pytest

from executor.scripts.child.channel import Channel, Error, TimedOutError
from executor.scripts.child.context import Context
from executor.scripts.child.main import answer_to
from executor.scripts.child.proxies import Browser, Page, bind
from executor.scripts.frames import HEADER_BYTES, FrameError, Message, decode, encode, length_of
from executor.scripts.vocabulary import LOCATOR, Method
from tests.executor.conftest import wait_for

Answers = Callable[[Message], Message]


class Worker(threading.Thread):
    """Answers calls by `answers`, and keeps every message."""

    def __init__(self, answers: Answers) -> None:
        super().__init__(daemon=True)
        self.messages: list[Message] = []
        self._answers = answers
        self._reader, writer = os.pipe()
        reader, self._writer = os.pipe()
        self.channel = Channel(reader, writer)
        self._ends = (reader, writer)

    def run(self) -> None:
        with os.fdopen(self._reader, "rb") as reader:
            while header := reader.read(HEADER_BYTES):
                message = decode(reader.read(length_of(header)))
                self.messages.append(message)
                if "call" in message:
                    os.write(self._writer, encode({"answer": message["call"], **self._answers(message)}))

    def stop(self) -> None:
        os.close(self._ends[1])
        self.join()
        os.close(self._ends[0])
        os.close(self._writer)

    @property
    def calls(self) -> list[Message]:
        return [each for each in self.messages if "call" in each]


@pytest.fixture(autouse=True)
def _playwright_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """In its own process a script gets names of Playwright, which is not there; here it is."""
    for name in ("playwright", "playwright.async_api"):
        monkeypatch.setitem(sys.modules, name, sys.modules.get(name))


@pytest.fixture
def worker() -> Iterator[Callable[[Answers], Worker]]:
    started: list[Worker] = []

    def start(answers: Answers) -> Worker:
        started.append(Worker(answers))
        started[-1].start()
        return started[-1]

    yield start
    for each in started:
        each.stop()


def one(message: Message) -> Message:
    return {"value": {"get_current_page": 0, "url": "http://a/b"}.get(message["method"], 1)}


def run(worker: Worker, body: str, folder: Path, *, kind: str = "extraction", **context: Any) -> Message:
    (folder / "downloads").mkdir(exist_ok=True)
    given = {"state": {}, "variables": {}, "input_parameters": {}, "unique_parameters": {}, **context}
    parameters = "page, ctx" if kind == "action" else "axtree, browser, ctx"
    script = f"async def code_fn({parameters}):\n{indent(dedent(body), '    ')}"

    async def answer() -> Message:
        loop = asyncio.get_running_loop()
        worker.channel.listen(loop)
        try:
            return await answer_to({"script": script, "kind": kind, "context": given}, worker.channel, folder)
        finally:
            loop.remove_reader(worker._ends[0])

    return asyncio.run(answer())


def test_a_result_and_a_state_come_back(worker: Callable[[Answers], Worker], tmp_path: Path) -> None:
    body = """
        print("said")
        print("not ended", end="")
        ctx.state["n"] = len(ctx.input_parameters["who"]) + len(ctx.unique_parameters) + len(ctx.variables)
        return {"axtree": axtree}
    """
    end = worker(one)
    answer = run(end, body, tmp_path, input_parameters={"who": ["Ada"]})
    assert answer == {"result": {"axtree": None}, "state": {"n": 1}}
    wait_for(lambda: len(end.messages) == 2)
    assert end.messages == [{"log": "said", "level": "info"}, {"log": "not ended", "level": "info"}]


@pytest.mark.parametrize(
    ("kind", "value", "result"),
    [("assertion", "[]", False), ("assertion", "object()", True), ("assertion", "None", None), ("action", "7", None)],
)
def test_what_each_kind_gives(
    worker: Callable[[Answers], Worker], tmp_path: Path, kind: str, value: str, result: object
) -> None:
    assert run(worker(one), f"return {value}", tmp_path, kind=kind) == {"result": result, "state": {}}


@pytest.mark.parametrize(
    ("body", "failure", "message"),
    [
        ("raise KeyError('a')", "raised", "KeyError: 'a' (line 2)"),
        ("return object()", "result", "its result cannot be kept: it is not JSON"),
        ("ctx.state['x'] = object()", "result", "ctx.state cannot be kept: it is not JSON"),
        ("return '\ud800' # half a character", "invalid", "it is not valid Python"),
        ("return ((", "invalid", "it is not valid Python"),
        ("ctx.log('x', level='loud')", "raised", "unknown level 'loud'"),
    ],
)
def test_what_goes_wrong_is_named(
    worker: Callable[[Answers], Worker], tmp_path: Path, body: str, failure: str, message: str
) -> None:
    answer = run(worker(one), body, tmp_path)
    assert answer["failure"] == failure
    assert message in answer["message"]


def test_a_text_without_the_function_is_no_script(worker: Callable[[Answers], Worker], tmp_path: Path) -> None:
    start = {"script": "def other(): pass", "kind": "action", "context": _NOTHING}
    answer = asyncio.run(answer_to(start, worker(one).channel, tmp_path))
    assert answer == {"failure": "invalid", "message": "it does not define `async def code_fn`"}


_NOTHING: dict[str, Any] = {"state": {}, "variables": {}, "input_parameters": {}, "unique_parameters": {}}


def test_a_plain_function_without_a_context_is_called_too(worker: Callable[[Answers], Worker], tmp_path: Path) -> None:
    start = {"script": "def code_fn(axtree, browser): return 3", "kind": "extraction", "context": _NOTHING}
    assert asyncio.run(answer_to(start, worker(one).channel, tmp_path)) == {"result": 3, "state": {}}


COMMANDS = {
    'page.locator("a")': "locator('a')",
    'page.get_by_role("row", name="x", exact=True).nth(-1)': "get_by_role('row', name='x', exact=True).nth(-1)",
    'page.get_by_text(re.compile("a.b", re.I | re.M)).first': "get_by_text(re.compile('a.b', re.I | re.M)).first",
    'page.get_by_text(re.compile("a"))': "get_by_text(re.compile('a'))",
    'page.get_by_label("a").last': "get_by_label('a').last",
    'page.get_by_placeholder("a", exact=None)': "get_by_placeholder('a')",
    'page.get_by_alt_text("it\'s")': 'get_by_alt_text("it\'s")',
    'page.get_by_title("a")': "get_by_title('a')",
    'page.get_by_test_id("a")': "get_by_test_id('a')",
    'page.locator("a").filter(has=page.locator("b"), has_text="c")': (
        "locator('a').filter(has=page.locator('b'), has_text='c')"
    ),
    'page.locator("a").and_(page.locator("b")).or_(page.locator("c"))': (
        "locator('a').and_(page.locator('b')).or_(page.locator('c'))"
    ),
    'page.locator("a").locator(page.locator("b"))': "locator('a').locator(page.locator('b'))",
    'page.frame_locator("a").first.last.nth(2).locator("b")': "frame_locator('a').first.last.nth(2).locator('b')",
    'page.locator("a").content_frame.owner': "locator('a').content_frame.owner",
    'page.main_frame.get_by_text("a")': "main_frame.get_by_text('a')",
}


def test_a_locator_travels_as_a_command_of_the_language(worker: Callable[[Answers], Worker], tmp_path: Path) -> None:
    end = worker(one)
    lines = "\n".join(f"await {each}.count()" for each in COMMANDS)
    answer = run(end, f"import re\npage = await ctx.get_page()\n{lines}", tmp_path)
    assert answer == {"result": None, "state": {}}
    assert [each["locator"] for each in end.calls[1:]] == list(COMMANDS.values())


CALLS = {
    'page.click("a", timeout=5)': {"on": "locator", "locator": "locator('a').first", "method": "click"},
    'page.fill("a", "b")': {"method": "fill", "arguments": {"value": "b"}},
    'page.locator("a").drag_to(page.locator("b"))': {"method": "drag_to", "arguments": {"target": "locator('b')"}},
    'page.locator("a").click(timeout=None)': {"method": "click", "arguments": {}},
    "page.title()": {"on": "page", "page": 0, "method": "title", "arguments": {}},
    'page.evaluate("x", arg={"a": 1})': {"method": "evaluate", "arguments": {"expression": "x", "arg": {"a": 1}}},
    'page.keyboard.press("Enter", delay=1)': {"on": "keyboard", "arguments": {"key": "Enter", "delay": 1}},
    "page.mouse.wheel(0, 5)": {"on": "mouse", "arguments": {"delta_x": 0, "delta_y": 5}},
    'page.wait_for_selector("a", state="hidden")': {"method": "wait_for", "arguments": {"state": "hidden"}},
}


def test_a_call_is_sent_with_its_arguments_by_name(worker: Callable[[Answers], Worker], tmp_path: Path) -> None:
    end = worker(one)
    lines = "\n".join(f"await {each}" for each in CALLS)
    answer = run(end, lines, tmp_path, kind="action")
    assert answer == {"result": None, "state": {}}
    for sent, wanted in zip(end.calls[1:], CALLS.values(), strict=True):
        assert wanted.items() <= sent.items(), sent


def test_waiting_for_an_address_happens_in_the_script(worker: Callable[[Answers], Worker], tmp_path: Path) -> None:
    end = worker(one)
    body = """
        import re
        await page.wait_for_url("http://a/b")
        await page.wait_for_url("**/b", timeout=1000, wait_until="load")
        await page.wait_for_url(re.compile("b$"), wait_until="commit", timeout=0)
        await page.wait_for_url(lambda url: True)
        await page.wait_for_timeout(1)
        found = await page.wait_for_selector("a")
        assert len(await found.all()) == 1
        await page.wait_for_url("**/c", timeout=60)
    """
    answer = run(end, body, tmp_path, kind="action")
    assert answer["message"] == "TimeoutError: Timeout 60ms exceeded. (line 11)"
    assert {each["method"] for each in end.calls} == {
        "get_current_page",
        "url",
        "wait_for_load_state",
        "wait_for",
        "count",
    }


def test_an_error_of_the_worker_is_raised_with_its_class(worker: Callable[[Answers], Worker], tmp_path: Path) -> None:
    def refuse(message: Message) -> Message:
        if message["method"] == "get_current_page":
            return {"value": 0}
        return {"error": "no", "timed_out": True} if message["method"] == "title" else {"error": "no"}

    body = """
        from playwright.async_api import Error, Locator, TimeoutError
        try:
            await page.title()
        except TimeoutError as error:
            ctx.state["title"] = error.message
        try:
            page.url
        except Error as error:
            ctx.state["url"] = type(error).__name__
        try:
            await page.locator("a").fill("x" * 9_000_000)
        except Error as error:
            ctx.state["fill"] = str(error)[:6]
        await page.content()
    """
    answer = run(worker(refuse), body, tmp_path, kind="action")
    assert answer["message"] == "Error: no (line 16)"
    assert issubclass(TimedOutError, Error)


def test_answers_may_come_in_any_order_and_while_something_is_sent(
    worker: Callable[[Answers], Worker], tmp_path: Path
) -> None:
    """Each call and each answer is larger than a pipe: neither side may wait for the other to take what it sent."""

    def large(message: Message) -> Message:
        return {"value": 0 if message["method"] == "get_current_page" else "y" * 300_000}

    body = """
        import asyncio
        calls = [asyncio.ensure_future(page.evaluate("x" * 300_000)) for _ in range(4)]
        calls[1].cancel()
        await asyncio.sleep(0)
        ctx.state["url"] = len(page.url)
        got = await asyncio.gather(*calls, return_exceptions=True)
        ctx.state["lengths"] = [len(each) for each in got if isinstance(each, str)]
    """
    answer = run(worker(large), body, tmp_path, kind="action")
    assert answer == {"result": None, "state": {"url": 300_000, "lengths": [300_000] * 3}}


def test_files_go_in_pieces(worker: Callable[[Answers], Worker], tmp_path: Path) -> None:
    def keep(message: Message) -> Message:
        return {"value": {"begin_file": 4, "end_file": "kept.bin"}.get(message["method"])}

    end = worker(keep)
    body = """
        first = await ctx.save_download("a", b"x" * 1_500_000, metadata={"k": 1})
        second = ctx.downloads_dir / "b"
        second.write_text("from a file")
        third = await ctx.save_download("b", path=second)
        try:
            await ctx.save_download("c")
        except ValueError as error:
            ctx.state["error"] = str(error)
        return [first.name, third.read_text(), second.exists()]
    """
    answer = run(end, body, tmp_path)
    assert answer["result"] == ["kept.bin", "from a file", False]
    assert answer["state"] == {"error": "save_download needs either content or path"}
    assert [each["method"] for each in end.calls] == [
        *("begin_file", "write_file", "write_file", "end_file"),
        *("begin_file", "write_file", "end_file"),
    ]
    assert end.calls[3]["arguments"] == {"file": 4, "filename": "a", "metadata": {"k": 1}}


@pytest.mark.parametrize(
    ("values", "named", "message"),
    [
        (("a", "b", "c"), {}, "fill() takes 1 positional arguments, not 3"),
        (("a",), {"value": "b"}, "fill() got value twice"),
        ((), {"noise": 1}, "fill() has no argument noise"),
        ((), {}, "fill() needs value"),
    ],
)
def test_a_call_with_wrong_arguments_is_a_type_error(
    values: tuple[str, ...], named: dict[str, object], message: str
) -> None:
    with pytest.raises(TypeError, match=message.replace("(", r"\(").replace(")", r"\)")):
        bind(LOCATOR["fill"], "fill", values, named)


def test_arguments_are_bound_by_name() -> None:
    method = Method({"a": "text", "b": "text"}, 1, {"c": "bool"})
    assert bind(method, "x", ("1",), {"c": True}) == {"a": "1", "c": True}


def test_what_is_not_offered_does_not_exist(worker: Callable[[Answers], Worker]) -> None:
    channel = worker(one).channel
    page = Page(channel, 0)
    for what in (lambda: page.context, lambda: page.keyboard.close, lambda: page.locator("a").screenshot):
        with pytest.raises(AttributeError, match="on this server"):
            what()
    assert not hasattr(Browser(channel), "close")
    assert Context(channel, _NOTHING, Path("downloads")).downloads_dir == Path("downloads")


def test_a_start_message_is_waited_for(worker: Callable[[Answers], Worker]) -> None:
    end = worker(one)
    frame = encode({"script": "x" * 100_000})
    threading.Thread(target=lambda: os.write(end._writer, frame), daemon=True).start()
    assert end.channel.receive() == {"script": "x" * 100_000}


@pytest.mark.parametrize(
    ("body", "message"),
    [(b"[]", "not an object"), (b"{", "not JSON"), (b'{"a":NaN}', "NaN"), (b"[" * 100_000, "nested too deeply")],
)
def test_what_is_no_message_is_refused(body: bytes, message: str) -> None:
    with pytest.raises(FrameError, match=message):
        decode(body)


def test_a_message_has_a_limit() -> None:
    with pytest.raises(FrameError, match="more than"):
        length_of(b"\x7f\xff\xff\xff")
    with pytest.raises(FrameError, match="more than"):
        encode({"a": "x" * 9_000_000})
