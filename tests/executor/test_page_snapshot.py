import html
import re

from playwright.async_api import Page

from executor.page_snapshot import MAX_FRAMES, PageSnapshot, take_snapshot
from tests.executor.conftest import OnPage


def snapshot_of(on_page: OnPage, content: str, *, wait_for: str = "body") -> PageSnapshot | None:
    async def look(page: Page) -> PageSnapshot | None:
        await page.set_content(content)
        await page.locator(wait_for).first.wait_for(state="attached")
        return await take_snapshot(page, mask=str, mask_field=str)

    found = on_page(look)
    assert found is None or isinstance(found, PageSnapshot)
    return found


def test_what_could_run_or_fetch_is_not_in_it(on_page: OnPage) -> None:
    taken = snapshot_of(
        on_page,
        """<base href="https://elsewhere.example/"><noscript>no script</noscript><object data="x.swf"></object>
        <a href=" JavaScript:alert(1)" onfocus="go()">link</a><template><p>unused</p></template><xmp><b>raw</b></xmp>
        <svg><script>alert(2)</script><circle r="5" onclick="x()"></circle></svg><img src="a.png" alt="A & B">
        <iframe srcdoc="<p>one</p>" sandbox="allow-scripts"></iframe><p>a \ufdd0 7\ufdd1 b</p>""",
    )

    assert taken is not None
    body = taken.html.partition("<html")[2]
    for left_out in (
        "script>",
        "javascript",
        "JavaScript",
        "onclick",
        "onfocus",
        "<object",
        "<base",
        "unused",
        "allow-",
    ):
        assert left_out not in body
    assert "<pre><b>raw</b></pre>".replace("<b>", "&lt;b&gt;").replace("</b>", "&lt;/b&gt;") in body
    assert '<img src="a.png" alt="A &amp; B">' in body
    assert '<circle r="5"></circle>' in body
    # Characters of ours in a page stand for nothing.
    assert "<p>a  7 b</p>" in body
    assert "one" in html.unescape(re.findall(r'srcdoc="([^"]*)"', body)[0])
    assert not taken.is_cut


def test_frames_in_frames_stand_in_their_places_up_to_a_depth(on_page: OnPage) -> None:
    content = "<p>deepest</p>"
    for level in range(7):
        content = f"<p>level {level}</p><iframe srcdoc='{html.escape(content)}'></iframe>"

    taken = snapshot_of(on_page, content)

    assert taken is not None
    plain = taken.html
    for _ in range(9):
        plain = html.unescape(plain)
    assert [level for level in range(7) if f"level {level}" in plain] == [0, 1, 2, 3, 4, 5, 6]
    assert "deepest" not in plain


def test_a_page_of_very_many_frames_is_cut(on_page: OnPage) -> None:
    taken = snapshot_of(on_page, "".join(f"<iframe srcdoc='<p>f{n}</p>'></iframe>" for n in range(MAX_FRAMES + 5)))

    assert taken is not None
    assert taken.is_cut
    assert taken.html.count("srcdoc=") == MAX_FRAMES - 1


def test_frames_in_shadow_trees_are_found(on_page: OnPage) -> None:
    taken = snapshot_of(
        on_page,
        """<iframe srcdoc="<p>first</p>"></iframe><x-box></x-box><iframe srcdoc="<p>last</p>"></iframe>
        <script>customElements.define('x-box', class extends HTMLElement { connectedCallback() {
          const root = this.attachShadow({mode: 'open'}); root.innerHTML = '<iframe srcdoc="<p>shadowed</p>"></iframe>';
          const sheet = new CSSStyleSheet(); sheet.replaceSync('p { color: red }'); root.adoptedStyleSheets = [sheet];
        }})</script>""",
        wait_for="x-box iframe",
    )

    assert taken is not None
    places = [html.unescape(each) for each in re.findall(r'srcdoc="([^"]*)"', taken.html)]
    assert [re.findall(r"<p>(\w+)</p>", each) for each in places] == [["first"], ["shadowed"], ["last"]]
    assert '<template shadowrootmode="open"><style>p { color: red; }</style>' in taken.html


def test_a_page_that_breaks_what_it_is_read_with_has_none(on_page: OnPage) -> None:
    assert snapshot_of(on_page, "<script>window.Set = null</script>") is None
    assert snapshot_of(on_page, "<script>Array.prototype.join = () => ({})</script>") is None


def test_a_closed_page_has_none(on_page: OnPage) -> None:
    async def look(page: Page) -> PageSnapshot | None:
        other = await page.context.new_page()
        await other.close()
        return await take_snapshot(other, mask=str, mask_field=str)

    assert on_page(look) is None
