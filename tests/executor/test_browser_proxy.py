"""The way out of the browser, with real Chromium: whatever a page tries, what is refused is not even connected to."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import quote

import pytest
from playwright.async_api import BrowserContext, Page
from playwright.async_api import Error as PlaywrightError
from pytest_django import Settings

from automation import load
from executor import browser_proxy
from executor.browser import BrowserPool
from executor.errors import NavigationError
from executor.loop import WorkerLoop
from inference.egress.resolving import resolve_by_system
from tests.executor.conftest import RunNodes, interact, read
from tests.executor.site.server import Site
from tests.factories import a_document
from tests.inference.egress.places import Place, serving

DOCUMENT = a_document(inputs=[], nodes=[], url="about:blank")
Event = tuple[str, dict[str, Any]]


@pytest.fixture
def home() -> Iterator[Place]:
    """Where the pages come from."""
    with serving() as place:
        yield place


@pytest.fixture
def ally() -> Iterator[Place]:
    """Another place that is named."""
    with serving() as place:
        yield place


@pytest.fixture
def trap(home: Place, ally: Place, settings: Settings) -> Iterator[Place]:
    """A place that nobody named."""
    settings.BROWSER_ALLOWED_PRIVATE_HOSTS = [f"127.0.0.1:{each.port}" for each in (home, ally)]
    with serving() as place:
        yield place


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(15):
        while not condition():  # noqa: ASYNC110 - looked at, because it happens in other threads and programs
            await asyncio.sleep(0.02)


@asynccontextmanager
async def a_page(pool: BrowserPool, home: Place | None, events: list[Event]) -> AsyncIterator[Page]:
    context = await pool.new_context(load(DOCUMENT), report=lambda kind, data: events.append((kind, data)))
    try:
        if home is not None:
            await context.pages[0].goto(saying(home, "text/html", "hello"))
        yield context.pages[0]
    finally:
        await pool.close_context(context)


def saying(place: Place, content_type: str, body: str) -> str:
    return f"{place.url}/say?type={quote(content_type)}&body={quote(body)}"


# --- what pages try ----------------------------------------------------------------------------------------------

# Each gets `to`, the address to reach, and `home`, where the page comes from.
QUIET = {
    "new-window": "window.open(to)",
    "form": "add(`<form method=post target=_blank action='${to}'></form>`).submit()",
    "frame": "add(`<iframe src='${to}'></iframe>`)",
    "sandboxed-frame": "add(`<iframe sandbox src='${to}'></iframe>`)",
    "frame-of-data": "add(`<iframe src='data:text/html,<img src=${to}>'></iframe>`)",
    "redirected-frame": "add(`<iframe src='${redirect}'></iframe>`)",
    "object": "add(`<object data='${to}'></object>`)",
    "embed": "add(`<embed src='${to}'>`)",
    "fetch": "fetch(to, {mode: 'no-cors'})",
    "fetch-with-preflight": "fetch(to, {method: 'PUT', headers: {'x-own': '1'}})",
    "redirected-fetch": "fetch(redirect, {mode: 'no-cors'})",
    "beacon": "navigator.sendBeacon(to, 'x')",
    "request": "const r = new XMLHttpRequest(); r.open('GET', to); r.send()",
    "image": "new Image().src = to",
    "redirected-image": "new Image().src = redirect",
    "script": "document.head.appendChild(document.createElement('script')).src = to",
    "module": "import(to)",
    "style-sheet": "add(`<link rel=stylesheet href='${to}'>`)",
    "background": "document.body.style.background = `url(${to})`",
    "font": "new FontFace('x', `url(${to})`).load()",
    "video": "add(`<video src='${to}' preload=auto></video>`)",
    "prefetch": "add(`<link rel=prefetch href='${to}'>`)",
    "web-socket": "new WebSocket(to.replace('http', 'ws'))",
    "event-source": "new EventSource(to)",
    "worker": "new Worker(blob(`fetch('${to}', {mode: 'no-cors'})`))",
    "script-of-worker": "new Worker(blob(`importScripts('${to}')`))",
    "shared-worker": "new SharedWorker(blob(`importScripts('${to}')`))",
    "service-worker": (
        "navigator.serviceWorker.register(`${home}/say?type=text/javascript&body=`"
        " + encodeURIComponent(`fetch('${to}', {mode: 'no-cors'})`))"
    ),
}
LEAVING = {
    "download": "add(`<a href='${to}' download>x</a>`).click()",
    "navigation": "location.href = to",
    "replaced-navigation": "location.replace(to)",
    "redirected-navigation": "location.href = redirect",
    "refresh": "add(`<meta http-equiv=refresh content='0;url=${to}'>`)",
    "form": "add(`<form action='${to}'></form>`).submit()",
    "fetch-that-outlives-its-page": "fetch(to, {mode: 'no-cors', keepalive: true}); location.href = 'about:blank'",
}
TRY = """async ([home, port, attempts]) => {
    const add = html => {
        document.body.insertAdjacentHTML("beforeend", html);
        return document.body.lastElementChild;
    };
    const blob = text => URL.createObjectURL(new Blob([text]));
    for (const [name, attempt] of Object.entries(attempts)) {
        const to = `http://${name}.localhost:${port}/x`, redirect = `${home}/redirect?to=${encodeURIComponent(to)}`;
        const run = new Function("to", "redirect", "home", "add", "blob", attempt);
        // Later than this answer: some leave the page.
        setTimeout(() => run(to, redirect, home, add, blob));
    }
}"""


async def try_all(
    pool: BrowserPool, home: Place, to: Place, attempts: dict[str, str], done: Callable[[list[Event]], bool]
) -> list[Event]:
    events: list[Event] = []
    async with a_page(pool, home, events) as page:
        await page.evaluate(TRY, [home.url, to.port, attempts])
        with suppress(TimeoutError):  # what is missing is told by the assertions
            await until(lambda: done(events))
    return events


def refused_places(events: list[Event]) -> set[str]:
    return {data["url"] for kind, data in events if kind == "request_failed"}


@pytest.mark.parametrize("attempts", [QUIET, *({what: script} for what, script in LEAVING.items())])
def test_no_page_reaches_what_is_refused(
    worker_loop: WorkerLoop, pool: BrowserPool, home: Place, ally: Place, trap: Place, attempts: dict[str, str]
) -> None:
    def places(port: int) -> set[str]:
        return {f"{name}.localhost:{port}" for name in attempts}

    # The same attempts arrive where they may, so that their failure means something.
    arrive = try_all(pool, home, ally, attempts, lambda events: ally.hosts >= places(ally.port))
    assert refused_places(worker_loop.submit(arrive).result(60)) == set()
    assert ally.hosts == places(ally.port)

    fail = try_all(pool, home, trap, attempts, lambda events: refused_places(events) >= places(trap.port))
    events = worker_loop.submit(fail).result(60)
    assert refused_places(events) == places(trap.port)
    assert {data["error"].partition(", ")[2] for _, data in events} == {
        "a loopback address that BROWSER_ALLOWED_PRIVATE_HOSTS does not name"
    }
    assert trap.connections == 0


def test_a_page_gets_nothing_of_what_is_refused(
    worker_loop: WorkerLoop, pool: BrowserPool, home: Place, trap: Place
) -> None:
    async def look() -> list[Any]:
        async with a_page(pool, home, []) as page:
            fetched = await page.evaluate("to => fetch(to).then(() => 'got it', error => error.message)", trap.url)
            await page.evaluate(
                "to => new Promise(done => { const f = document.createElement('iframe'); f.onload = done; f.src = to;"
                "document.body.append(f) })",
                trap.url,
            )
            return [fetched, page.frames[1].url]

    assert worker_loop.submit(look()).result(60) == ["Failed to fetch", "chrome-error://chromewebdata/"]
    assert trap.connections == 0


FORMS = ["0x7f.1", "2130706433", "0177.1", "127.1", "localhost", "LOCALHOST.", "a.localhost", "[::ffff:127.0.0.1]"]


@pytest.mark.parametrize("host", [*FORMS, "①②⑦.0.0.1", "127。0。0。1", "%31%32%37.0.0.1", "0", "[::]"])
def test_no_way_of_writing_it_helps(
    worker_loop: WorkerLoop, pool: BrowserPool, trap: Place, home: Place, host: str
) -> None:
    async def look() -> list[Event]:
        events: list[Event] = []
        async with a_page(pool, home, events) as page:
            with pytest.raises(PlaywrightError, match="ERR_SOCKS_CONNECTION_FAILED"):
                await page.goto(f"http://{host}:{trap.port}/")
        return events

    events = worker_loop.submit(look()).result(60)
    assert [kind for kind, _ in events] == ["request_failed"]
    assert (
        "BROWSER_ALLOWED_PRIVATE_HOSTS does not name" in events[0][1]["error"] or "unspecified" in events[0][1]["error"]
    )
    assert trap.connections == 0


def test_udp_does_not_go_round_the_proxy(worker_loop: WorkerLoop, pool: BrowserPool, home: Place, trap: Place) -> None:
    """WebRTC (STUN, TURN over UDP and TCP) and WebTransport (QUIC)."""
    script = """async ([udp, tcp]) => {
        const servers = [
            {urls: `stun:127.0.0.1:${udp}`},
            {urls: `turn:127.0.0.1:${udp}?transport=udp`, username: "u", credential: "p"},
            {urls: `turn:127.0.0.1:${tcp}?transport=tcp`, username: "u", credential: "p"},
        ];
        const connection = new RTCPeerConnection({iceServers: servers});
        const candidates = [];
        connection.onicecandidate = event => event.candidate && candidates.push(event.candidate.candidate);
        connection.createDataChannel("x");
        await connection.setLocalDescription(await connection.createOffer());
        await new Promise(done => {
            if (connection.iceGatheringState === "complete") done();
            connection.onicegatheringstatechange = () => connection.iceGatheringState === "complete" && done();
        });
        const transport = new WebTransport(`https://127.0.0.1:${udp}`);
        return [candidates, await transport.ready.then(() => "ready", error => error.name)];
    }"""

    async def look(udp_port: int) -> list[Any]:
        async with a_page(pool, home, []) as page:
            seen: list[Any] = await page.evaluate(script, [udp_port, trap.port])
            return seen

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        udp.setblocking(False)
        seen = worker_loop.submit(look(udp.getsockname()[1])).result(60)
        with pytest.raises(BlockingIOError):
            udp.recv(2000)

    assert seen == [[], "WebTransportError"]
    assert trap.connections == 0


def test_requests_of_the_driver_go_through_it_too(
    worker_loop: WorkerLoop, pool: BrowserPool, home: Place, trap: Place
) -> None:
    """`context.request` is not the browser, and not used here; should it be one day, it meets the same check."""

    async def look() -> str:
        async with a_page(pool, None, []) as page:
            with pytest.raises(PlaywrightError):
                await page.context.request.get(trap.url)
            return await (await page.context.request.get(f"{home.url}/")).text()

    assert worker_loop.submit(look()).result(60) == "hello"
    assert trap.connections == 0


# --- names -------------------------------------------------------------------------------------------------------


@pytest.fixture
def resolve_as(pool: BrowserPool) -> Iterator[Callable[[Callable[[str, int], Sequence[str]]], None]]:
    def use(resolve: Callable[[str, int], Sequence[str]]) -> None:
        pool._proxy.resolve = resolve

    yield use
    pool._proxy.resolve = resolve_by_system


def test_a_name_that_is_rebound_reaches_the_address_that_was_judged(
    worker_loop: WorkerLoop, pool: BrowserPool, home: Place, trap: Place, resolve_as: Callable[..., None]
) -> None:
    """First an address that may be opened, then one that may not."""
    asked: list[str] = []

    def resolve(name: str, port: int) -> Sequence[str]:
        if name != "rebound.example":  # of the browser's own
            raise socket.gaierror(-2, "Name or service not known")
        asked.append(name)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    resolve_as(resolve)
    url = saying(home, "text/html", "hello").replace("127.0.0.1", "rebound.example")

    async def look() -> list[Any]:
        async with a_page(pool, None, []) as page:
            await page.goto(url)
            first = await page.inner_text("body")
            # Six at a time are more than the one connection that is open.
            script = "() => Promise.all([1, 2, 3, 4, 5, 6].map(n => fetch('/' + n).then(answer => answer.text())))"
            again = await page.evaluate(script)
            assert asked == ["rebound.example"]
        async with a_page(pool, None, []) as page:
            with pytest.raises(PlaywrightError):
                await page.goto(url)
            failure = browser_proxy.failure_of(page.context, url)
            return [first, again, failure]

    first, again, failure = worker_loop.submit(look()).result(60)
    assert (first, again) == ("hello", ["hello"] * 6)
    assert failure.reason.startswith("rebound.example is at 10.0.0.1, a private address")


# --- what people read --------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("in_document", [True, False])
def test_a_refused_address_fails_its_step_at_once_and_says_why(
    run_nodes: RunNodes, site: Site, settings: Settings, in_document: bool
) -> None:
    settings.BROWSER_ALLOWED_PRIVATE_HOSTS = [site.url.removeprefix("http://")]
    nodes = [] if in_document else [interact("go_to_url", {"url": "http://10.0.0.1/x"})]
    outcome = run_nodes(nodes, url="http://10.0.0.1/x" if in_document else f"{site.url}/")

    reason = "10.0.0.1 is a private address that BROWSER_ALLOWED_PRIVATE_HOSTS does not name"
    assert isinstance(outcome.error, NavigationError)
    assert f"could not open http://10.0.0.1/x: {reason}" in str(outcome.error)
    assert outcome.events("request_failed") == [{"url": "10.0.0.1:80", "error": reason}]
    if not in_document:
        assert outcome.step.duration_ms < 3000


@pytest.mark.django_db(transaction=True)
def test_a_redirect_to_a_refused_address_says_which(run_nodes: RunNodes, site: Site, home: Place, trap: Place) -> None:
    outcome = run_nodes([], url=f"{home.url}/redirect?to={quote(trap.url)}")

    assert str(outcome.error).endswith(
        "127.0.0.1 is a loopback address that BROWSER_ALLOWED_PRIVATE_HOSTS does not name"
    )
    assert trap.connections == 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("file:///etc/passwd", "no file: ones"),
        ("FILE:///etc/passwd", "no file: ones"),
        (" file:///etc/passwd", "no file: ones"),
        ("chrome://version", "no chrome: ones"),
        ("view-source:{site}/", "no view-source: ones"),
        ("javascript:document.title", "no javascript: ones"),
        ("devtools://devtools/bundled/inspector.html", "no devtools: ones"),
        ("blob:{site}/1", "no blob: ones"),
        ("filesystem:{site}/temporary/x", "no filesystem: ones"),
        ("about:version", "no about: ones"),
        ("http://someone:hunter2@127.0.0.1/", "user name or password"),
        ("http://127.0.0.1\\@public.example/", "backslash"),
    ],
)
def test_other_addresses_are_not_opened(run_nodes: RunNodes, site: Site, url: str, words: str) -> None:
    outcome = run_nodes([interact("go_to_url", {"url": url.format(site=site.url)})], url=f"{site.url}/second")

    assert isinstance(outcome.error, NavigationError)
    assert words in str(outcome.error)
    assert "hunter2" not in str(outcome.error)
    assert outcome.step.duration_ms < 3000
    assert outcome.step.url == f"{site.url}/second"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "url", ["data:text/html,<h1>Second</h1>", " {site}/second ", "{site}/second?a b=c d", "{site}/second#@x"]
)
def test_ordinary_addresses_are(run_nodes: RunNodes, site: Site, url: str) -> None:
    outcome = run_nodes(
        [interact("go_to_url", {"url": url.format(site=site.url)}), read('get_by_role("heading")')], url="about:blank"
    )

    assert outcome.error is None
    assert outcome.values() == {"value": "Second"}


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.django_db(transaction=True)
def test_ordinary_failures_keep_their_words(
    run_nodes: RunNodes, site: Site, monkeypatch: pytest.MonkeyPatch, resolve_as: Callable[..., None]
) -> None:
    def resolve(name: str, port: int) -> Sequence[str]:
        raise socket.gaierror(-2, "Name or service not known")

    resolve_as(resolve)
    monkeypatch.setattr("executor.actions.navigation.RETRY_PAUSES", (0.01,))
    port = closed_port()
    for url, words in [
        (f"http://127.0.0.1:{port}/", "net::ERR_CONNECTION_REFUSED"),
        ("http://nowhere.example/", "net::ERR_NAME_NOT_RESOLVED"),
    ]:
        outcome = run_nodes([], url=url)
        assert f"could not open {url}: {words}" in str(outcome.error)
        # Tried twice, told twice.
        assert [event["error"] for event in outcome.events("request_failed")] == [words, words]


@pytest.mark.django_db(transaction=True)
def test_a_page_that_asks_for_a_thousand_refused_places_does_not_flood_the_timeline(
    run_nodes: RunNodes, site: Site, home: Place, trap: Place
) -> None:
    script = (
        "Promise.allSettled([...Array(80).keys()].flatMap(n => [1, 2].map(() => fetch(`http://10.0.0.${n + 1}/`))))"
        ".then(() => document.body.append('done'))"
    )
    page = saying(home, "text/html", f"<body><script>{script}</script>")
    outcome = run_nodes([read('get_by_text("done")')], url=page)

    assert outcome.error is None
    assert len(outcome.events("request_failed")) == 50
    assert [event["text"] for event in outcome.events("note")] == [
        "more than 50 places were refused; the rest is left out"
    ]


# --- its connections ---------------------------------------------------------------------------------------------


def test_a_closed_context_leaves_no_connection(worker_loop: WorkerLoop, pool: BrowserPool, site: Site) -> None:
    async def look() -> list[Any]:
        async with a_page(pool, None, []) as page:
            await page.goto(f"{site.url}/streaming")
            await until(lambda: pool._proxy.open_connections > 0)
            context: BrowserContext = page.context
            assert context.browser is not None
        await until(lambda: pool._proxy.open_connections == 0)
        return [task.get_name() for task in asyncio.all_tasks() if "connection" in task.get_name()]

    assert worker_loop.submit(look()).result(60) == []


def test_large_answers_come_through_whole(worker_loop: WorkerLoop, pool: BrowserPool, home: Place, trap: Place) -> None:
    async def look() -> int:
        async with a_page(pool, home, []) as page:
            script = "() => Promise.all([1, 2, 3, 4].map(() => fetch('/large').then(a => a.arrayBuffer())))"
            sizes: list[int] = await page.evaluate(f"async () => (await ({script})()).map(each => each.byteLength)")
            return sum(sizes)

    assert worker_loop.submit(look()).result(60) == 4 * 2_000_000
