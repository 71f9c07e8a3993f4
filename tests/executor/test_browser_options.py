import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.async_api import BrowserContext
from pytest_django import Settings

from automation import load
from executor.browser import BrowserPool, find_browser
from executor.browser_options import BrowserTarget, ContextOptions, proxy_of_task, target_of_channel
from executor.errors import AutomationError, BrowserCrashedError
from executor.loop import WorkerLoop
from executor.runner import AttemptRunner
from inference.models import Task
from tests import factories
from tests.executor.conftest import Outcome, read
from tests.executor.site.server import Site

DOCUMENT: dict[str, Any] = {"url": "", "parameters": {"input_parameters": {}, "generated_parameters": {}}}
BANNER = """<!doctype html><title>Shop</title><body style="overflow:hidden" class="cky-modal-open"><h1>Shop</h1>
<div id="onetrust-consent-sdk"><button>Accept all</button></div>
<div class="cky-consent-container">We care</div></body>"""
_LOOK = """() => ({agent: navigator.userAgent, language: navigator.language, width: innerWidth, height: innerHeight,
  zone: Intl.DateTimeFormat().resolvedOptions().timeZone})"""


@pytest.fixture
def own_pool(worker_loop: WorkerLoop) -> Iterator[BrowserPool]:
    pool = BrowserPool()
    yield pool
    worker_loop.submit(pool.close()).result(30)


Use = Callable[..., Any]


@pytest.fixture
def use(own_pool: BrowserPool, worker_loop: WorkerLoop) -> Use:
    """Call an async function with a context of a document with these fields."""

    def use_it(act: Callable[[BrowserContext], Any], **fields: Any) -> Any:
        async def work() -> Any:
            context = await own_pool.new_context(load({**DOCUMENT, **fields}))
            try:
                return await act(context)
            finally:
                await own_pool.close_context(context)

        return worker_loop.submit(work()).result(90)

    return use_it


async def _look(context: BrowserContext) -> dict[str, Any]:
    found: dict[str, Any] = await context.pages[0].evaluate(_LOOK)
    return found


# --- channels --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channel", ["cloakbrowser", "browser-use", "rdp"])
def test_a_channel_that_is_not_mapped_fails_at_once_and_says_what_to_set(channel: str, use: Use) -> None:
    with pytest.raises(AutomationError, match=f"set BROWSER_CHANNELS={channel}=TARGET") as raised:
        use(_look, browser_channel=channel)

    assert not raised.value.may_retry


def test_chromium_and_chrome_are_the_installed_browser_unless_they_are_mapped(settings: Settings) -> None:
    assert target_of_channel("chrome") == target_of_channel("chromium") == BrowserTarget()

    settings.BROWSER_CHANNELS = {"chrome": "/opt/chrome", "rdp": "wss://desk.example/devtools?token=x"}
    assert target_of_channel("chrome") == BrowserTarget(program=Path("/opt/chrome"))
    assert target_of_channel("rdp") == BrowserTarget(address="wss://desk.example/devtools?token=x")
    assert target_of_channel("chromium") == BrowserTarget()


def test_a_mapped_program_is_started_for_its_channel_only(
    use: Use, own_pool: BrowserPool, settings: Settings, tmp_path: Path
) -> None:
    log, program = tmp_path / "log", tmp_path / "my-browser"
    program.write_text(f'#!/bin/sh\necho started >> {log}\nexec {find_browser()} "$@"\n')
    program.chmod(0o755)
    settings.BROWSER_CHANNELS = {"cloakbrowser": str(program)}

    assert "Chrome/" in use(_look)["agent"]
    assert not log.exists()
    assert "Chrome/" in use(_look, browser_channel="cloakbrowser")["agent"]
    mapped = own_pool._browser
    assert "Chrome/" in use(_look, browser_channel="cloakbrowser")["agent"]
    assert own_pool._browser is mapped
    assert "Chrome/" in use(_look)["agent"]
    assert own_pool._browser is not mapped
    assert log.read_text() == "started\n"


def test_a_mapped_program_that_does_not_start_is_told_and_leaves_the_others_alone(use: Use, settings: Settings) -> None:
    settings.BROWSER_CHANNELS = {"rdp": "/bin/false"}

    with pytest.raises(BrowserCrashedError, match="/bin/false did not start"):
        use(_look, browser_channel="rdp")
    assert "Chrome/" in use(_look)["agent"]


@pytest.fixture
def running_browser(tmp_path: Path) -> Iterator[str]:
    """The DevTools address of a browser that somebody else has started."""
    arguments = ["--headless=new", "--remote-debugging-port=0", f"--user-data-dir={tmp_path}", "about:blank"]
    arguments += ["--no-sandbox"] if os.geteuid() == 0 else []
    process = subprocess.Popen([str(find_browser()), *arguments], stderr=subprocess.PIPE, text=True)
    with process:
        assert process.stderr is not None
        address = next(line.split()[-1] for line in process.stderr if "DevTools listening on" in line)
        yield address
        process.kill()


def test_a_mapped_address_is_connected_to(
    use: Use, own_pool: BrowserPool, worker_loop: WorkerLoop, settings: Settings, running_browser: str
) -> None:
    settings.BROWSER_CHANNELS = {"browser-use": running_browser}

    assert use(_look, browser_channel="browser-use", os_emulation="windows")["agent"].startswith("Mozilla/5.0 (Windows")
    assert own_pool._browser is not None
    worker_loop.submit(own_pool.close()).result(30)

    # It was not ours, and goes on.
    with socket.create_connection(("127.0.0.1", int(running_browser.split("/")[2].rpartition(":")[2]))):
        pass


def test_an_address_where_no_browser_answers_is_told_without_its_token_and_keeps_nobody_from_other_tasks(
    use: Use, own_pool: BrowserPool, worker_loop: WorkerLoop, settings: Settings
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        settings.BROWSER_CHANNELS = {"rdp": f"ws://127.0.0.1:{free.getsockname()[1]}/devtools?token=not-told"}
        with pytest.raises(BrowserCrashedError, match=r"the browser at 127\.0\.0\.1 \(BROWSER_CHANNELS\)") as raised:
            use(_look, browser_channel="rdp")

    assert "not-told" not in str(raised.value)
    assert not own_pool.is_healthy()
    worker_loop.submit(own_pool.make_ready()).result(60)
    assert own_pool.is_healthy()
    assert "Chrome/" in use(_look)["agent"]


# --- contexts --------------------------------------------------------------------------------------------------


def test_pages_see_the_locale_time_zone_and_size_that_are_set(use: Use, settings: Settings, site: Site) -> None:
    settings.BROWSER_LOCALE, settings.BROWSER_TIMEZONE = "de-DE", "Asia/Tokyo"
    settings.BROWSER_VIEWPORT = (1000, 700)

    seen = use(_look)

    assert (seen["language"], seen["zone"], seen["width"], seen["height"]) == ("de-DE", "Asia/Tokyo", 1000, 700)


@pytest.mark.django_db(transaction=True)
def test_step_pictures_are_as_large_as_the_page(
    own_pool: BrowserPool, worker_loop: WorkerLoop, settings: Settings, site: Site
) -> None:
    settings.BROWSER_VIEWPORT = (1000, 700)
    outcome = _run(own_pool, worker_loop, f"{site.url}/second")

    [picture] = outcome.files("picture").values()
    assert _jpeg_size(picture) == (1000, 700)


@pytest.mark.parametrize(("system", "platform"), [("windows", "Windows NT 10.0"), ("linux", "X11; Linux x86_64")])
def test_os_emulation_changes_what_the_browser_says_it_runs_on(use: Use, system: str, platform: str) -> None:
    seen = use(_look, os_emulation=system)

    assert seen["agent"].startswith(f"Mozilla/5.0 ({platform}")
    assert "HeadlessChrome" not in seen["agent"]


def test_the_spare_context_is_of_the_kind_that_the_last_task_had(
    use: Use, own_pool: BrowserPool, worker_loop: WorkerLoop
) -> None:
    async def spare() -> BrowserContext:
        assert own_pool._spare is not None
        return await own_pool._spare

    async def same(context: BrowserContext) -> BrowserContext:
        return context

    use(_look)
    plain = worker_loop.submit(spare()).result(30)
    assert use(same) is plain
    # Another kind gets another context, and the spare one that does not fit is closed.
    plain = worker_loop.submit(spare()).result(30)
    assert use(same, os_emulation="linux") is not plain
    assert own_pool._browser is not None
    assert plain not in own_pool._browser.contexts
    emulating = worker_loop.submit(spare()).result(30)
    assert use(same, os_emulation="linux") is emulating


@pytest.mark.parametrize(
    ("is_set", "allow_cookies", "is_hidden"), [(False, False, False), (True, False, True), (True, True, False)]
)
def test_consent_banners_are_hidden_when_set_and_not_allowed(
    use: Use, settings: Settings, site: Site, is_set: bool, allow_cookies: bool, is_hidden: bool
) -> None:
    settings.HIDE_COOKIE_BANNERS = is_set

    async def look(context: BrowserContext) -> tuple[bool, bool, str]:
        page = context.pages[0]
        await page.route("**/shop", lambda route: route.fulfill(body=BANNER, content_type="text/html"))
        await page.goto(f"{site.url}/shop")
        seen = [await page.locator(each).is_visible() for each in ("#onetrust-consent-sdk", ".cky-consent-container")]
        overflow: str = await page.evaluate("getComputedStyle(document.body).overflowY")
        return all(seen), await page.get_by_role("heading").is_visible(), overflow

    seen, rest, overflow = use(look, allow_cookies=allow_cookies)

    assert seen is not is_hidden
    assert rest
    assert (overflow == "visible") is is_hidden


def test_what_a_context_is_made_of_follows_document_and_settings(settings: Settings) -> None:
    settings.HIDE_COOKIE_BANNERS = True
    plain = ContextOptions.of(load(DOCUMENT))

    assert plain == ContextOptions.of(None)
    assert plain.hides_banners
    assert plain.arguments(version="156.0.1") == {
        "viewport": {"width": 1280, "height": 800},
        "accept_downloads": True,
        "user_agent": None,
        "locale": None,
        "timezone_id": None,
    }


# --- proxies ---------------------------------------------------------------------------------------------------


class TunnelProxy:
    """An HTTP proxy with a password that passes connections on. `asked` has what each was told."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(4096)
        self.asked.append(head.decode())
        host, port = head.split()[1].decode().rsplit(":", 1)
        if host != "127.0.0.1":
            client.sendall(b"HTTP/1.1 502 Not from here\r\n\r\n")
            client.close()
            return
        with client, socket.create_connection((host, int(port))) as other:
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            threading.Thread(target=_pump, args=(client, other), daemon=True).start()
            _pump(other, client)

    def stop(self) -> None:
        self._listening.close()


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return


@pytest.fixture
def tunnel() -> Iterator[TunnelProxy]:
    proxy = TunnelProxy()
    yield proxy
    proxy.stop()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("/ip.json", {"unique_identifier": "ip_info", "json_data": {"ip": "203.0.113.7", "country": "DE"}}),
        ("/second", {"unique_identifier": "ip_info", "text": "Second\n\nsecond page\n\nClose me"}),
    ],
)
def test_a_task_goes_through_the_proxy_and_says_who_is_seen_there(
    own_pool: BrowserPool,
    worker_loop: WorkerLoop,
    settings: Settings,
    site: Site,
    tunnel: TunnelProxy,
    page: str,
    said: dict[str, Any],
) -> None:
    settings.BROWSER_PROXY = f"http://harbor:s%40fe-word@127.0.0.1:{tunnel.port}"
    settings.PROXY_CHECK_URL = f"{site.url}{page}"
    outcome = _run(own_pool, worker_loop, f"{site.url}/form", use_proxy=True)

    assert outcome.error is None
    assert outcome.output[0] == said
    assert len(tunnel.asked) >= 1
    # Nothing else is asked for, such as a server that knows forms.
    assert {head.split()[1] for head in tunnel.asked} == {site.url.removeprefix("http://")}
    assert all("Proxy-Authorization: Basic aGFyYm9yOnNAZmUtd29yZA==" in head for head in tunnel.asked)
    before = len(tunnel.asked)
    assert _run(own_pool, worker_loop, f"{site.url}/form").error is None
    assert len(tunnel.asked) == before


@pytest.mark.django_db(transaction=True)
def test_a_check_page_that_does_not_answer_fails_nothing(
    own_pool: BrowserPool, worker_loop: WorkerLoop, settings: Settings, site: Site, tunnel: TunnelProxy
) -> None:
    settings.BROWSER_PROXY = f"http://127.0.0.1:{tunnel.port}"
    settings.PROXY_CHECK_URL = "http://10.0.0.1/"
    outcome = _run(own_pool, worker_loop, f"{site.url}/second", use_proxy=True)

    assert outcome.error is None
    assert outcome.output == [{"json_data": {"value": "Second"}}]
    assert any("the proxy's check page gave no answer" in event["text"] for event in outcome.events("note"))


@pytest.mark.django_db(transaction=True)
def test_a_proxy_that_is_not_set_fails_at_once(
    own_pool: BrowserPool, worker_loop: WorkerLoop, settings: Settings, site: Site
) -> None:
    settings.BROWSER_PROXY = ""
    outcome = _run(own_pool, worker_loop, f"{site.url}/second", use_proxy=True)

    assert isinstance(outcome.error, AutomationError)
    assert "set BROWSER_PROXY=" in str(outcome.error)
    assert site.requests == []


def test_a_browser_behind_an_address_takes_no_proxy(
    own_pool: BrowserPool, worker_loop: WorkerLoop, settings: Settings
) -> None:
    settings.BROWSER_PROXY, settings.BROWSER_CHANNELS = "http://127.0.0.1:9", {"rdp": "ws://127.0.0.1:9/"}
    document = load({**DOCUMENT, "browser_channel": "rdp"})

    with pytest.raises(AutomationError, match="whose way out is its own"):
        worker_loop.submit(own_pool.new_context(document, use_proxy=True)).result(30)


def test_the_proxy_is_read_with_its_credentials(settings: Settings) -> None:
    settings.BROWSER_PROXY = "socks5://me:p%3Aw@proxy.example"

    proxy = proxy_of_task(use_proxy=True)

    assert proxy is not None
    assert (proxy.scheme, proxy.host, proxy.port, proxy.username, proxy.password) == (
        "socks5",
        "proxy.example",
        1080,
        "me",
        "p:w",
    )
    assert "p:w" not in repr(proxy)
    assert proxy_of_task(use_proxy=False) is None


def _run(pool: BrowserPool, worker_loop: WorkerLoop, url: str, *, use_proxy: bool = False) -> Outcome:
    command = 'get_by_role("heading")' if url.endswith("/second") else 'locator("label").first'
    document = factories.a_document(inputs=[], nodes=[read(command)], url=url, take_final_screenshot=False)
    automation = factories.make_automation(document=document)
    task = factories.make_task(automation=automation, status="running", input_parameters={}, use_proxy=use_proxy)
    runner = AttemptRunner(task=task, automation=load(document), attempt_number=1, token=task.lease_token, pool=pool)
    error: BaseException | None = None
    try:
        worker_loop.submit(runner.execute()).result(90)
    except Exception as raised:
        error = raised
    return Outcome(Task.objects.get(id=task.id), runner, error)


def _jpeg_size(data: bytes) -> tuple[int, int]:
    return Image.open(BytesIO(data)).size
