"""What a page consisted of at one moment, as one HTML text: frames and shadow trees included, nothing that runs.

The text is made in the page, frame by frame, by a constant function; values of fields come apart from it, so that
secrets are taken out before anything is put together.
"""

import asyncio
import html
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Frame, Page

# Characters of one frame, and of the whole: enough for large applications, little enough to keep.
MAX_FRAME_CHARACTERS = 1_000_000
MAX_CHARACTERS = 2_000_000
MAX_FRAMES = 20
# Where a field's value or a frame belongs: characters that no text may contain, so that none can pretend.
_VALUE = re.compile("\ufdd0(\\d+)\ufdd1")
_FRAME = re.compile("\ufdd2(\\d+)\ufdd3")
_RESERVED = re.compile("[\ufdd0-\ufdd3]")

_SERIALIZE = r"""limit => {
  const empty = new Set(["area", "br", "col", "hr", "img", "input", "source", "track", "wbr"]);
  const leftOut = new Set(["script", "noscript", "template", "base", "link", "meta", "object", "embed", "applet",
                           "portal"]);
  const plain = new Set(["xmp", "plaintext", "noembed", "noframes", "listing"]);
  const values = [], pieces = [];
  let size = 0, cut = false, css = 300000, frames = 0;
  const put = text => { size += text.length; pieces.push(text); };
  const clean = text => text.replace(/[\ufdd0-\ufdd3\0]/g, "");
  const escape = text => clean(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;")
      .replace(/"/g, "&quot;");
  const valueOf = element => {
    const isSecret = element.type === "password" || element.type === "hidden";
    values.push({text: isSecret ? "" : String(element.value), isSecret: isSecret && !!element.value});
    return `\ufdd0${values.length - 1}\ufdd1`;
  };
  const rules = sheet => {
    try { return [...sheet.cssRules].map(rule => rule.cssText).join("\n"); } catch { return ""; }
  };
  const style = text => {
    const kept = clean(text).replace(/<\/style/gi, "<\\/style").slice(0, Math.max(0, css));
    css -= kept.length;
    if (kept) put(`<style>${kept}</style>`);
  };
  const attributes = (element, tag) => {
    for (const {name, value} of element.attributes) {
      if (/^on/i.test(name) || /[^\w:.@-]/.test(name) || /^\s*javascript:/i.test(value)) continue;
      if (["srcdoc", "nonce", "integrity", "value", "checked", "selected", "sandbox"].includes(name)
          && (name !== "value" || tag === "input")) continue;
      if (tag === "iframe" && name === "src") { put(` data-src="${escape(value.slice(0, 2000))}"`); continue; }
      put(` ${name}="${escape(value.slice(0, 2000))}"`);
    }
    if (tag === "input" && element.type !== "file") put(` value="${valueOf(element)}"`);
    if (tag === "input" && element.checked) put(" checked");
    if (tag === "option" && element.selected) put(" selected");
  };
  const shadow = (root, depth) => {
    put('<template shadowrootmode="open">');
    for (const sheet of root.adoptedStyleSheets || []) style(rules(sheet));
    children(root, depth);
    put("</template>");
  };
  const children = (node, depth) => { for (const child of node.childNodes) visit(child, depth + 1); };
  const visit = (node, depth) => {
    if (size > limit || depth > 400) { cut = true; return; }
    if (node.nodeType === Node.TEXT_NODE) { put(escape(node.data)); return; }
    if (node.nodeType !== Node.ELEMENT_NODE) return;
    const tag = node.localName.toLowerCase();
    if (tag === "link" && node.sheet) style(rules(node.sheet));
    if (leftOut.has(tag) || /[^\w.-]/.test(tag)) return;
    if (tag === "style") { style(node.sheet ? rules(node.sheet) || node.textContent : node.textContent); return; }
    const name = plain.has(tag) ? "pre" : tag;
    if (name === "iframe" || name === "frame") {
      put("<iframe sandbox"); attributes(node, "iframe"); put(`\ufdd2${frames++}\ufdd3></iframe>`);
      return;
    }
    put(`<${name}`); attributes(node, tag); put(">");
    if (empty.has(tag)) return;
    if (node.shadowRoot) shadow(node.shadowRoot, depth);
    if (tag === "textarea") put(valueOf(node)); else children(node, depth);
    if (tag === "head") for (const sheet of document.adoptedStyleSheets || []) style(rules(sheet));
    put(`</${name}>`);
  };
  if (document.documentElement) visit(document.documentElement, 0);
  return {html: pieces.join(""), values, cut};
}"""
# The number that the function above gives a frame's element: how many come before it.
_NUMBER_OF_FRAME = r"""element => {
  let count = 0, found = -1;
  const leftOut = "script, noscript, template, object, embed, applet, portal";
  const visit = root => {
    for (const child of root.children) {
      if (found >= 0) return;
      if (child === element) { found = count; return; }
      if (child.matches(leftOut)) continue;
      if (child.matches("iframe, frame")) { count++; continue; }
      if (child.shadowRoot) visit(child.shadowRoot);
      visit(child);
    }
  };
  visit(element.ownerDocument);
  return found;
}"""


@dataclass(frozen=True, slots=True)
class PageSnapshot:
    """The HTML text, and whether something was left out of it for its size."""

    html: str
    is_cut: bool


@dataclass(frozen=True, slots=True)
class _Part:
    """One frame: its text with places for values and frames, and the frames by their place."""

    html: str
    is_cut: bool
    frames: Mapping[int, Frame]


async def take_snapshot(
    page: Page, *, mask: Callable[[str], str], mask_field: Callable[[str], str]
) -> PageSnapshot | None:
    """The page as it is now, without secrets; None when it has no document that could be read.

    It may take as long as the page takes to answer: give it a time limit.
    """
    frames = [frame for frame in page.frames if not frame.is_detached()][:MAX_FRAMES]
    found = await asyncio.gather(*(_read(frame, mask, mask_field) for frame in frames))
    parts = {frame: part for frame, part in zip(frames, found, strict=True) if part is not None}
    if page.main_frame not in parts:
        return None
    body = _put_together(page.main_frame, parts, depth=0)
    is_cut = len(page.frames) > MAX_FRAMES or any(part.is_cut for part in parts.values()) or len(body) > MAX_CHARACTERS
    told = f"{mask(page.url)} at {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC{', not complete' if is_cut else ''}"
    return PageSnapshot(_HEAD.format(told=html.escape(told)) + body[:MAX_CHARACTERS], is_cut)


# Nothing runs and nothing is fetched, wherever the file is opened.
_HEAD = (
    '<!doctype html><meta charset="utf-8">'
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
    'img-src data:">'
    '<meta name="description" content="{told}">'
)


async def _read(frame: Frame, mask: Callable[[str], str], mask_field: Callable[[str], str]) -> _Part | None:
    try:
        raw, numbers = await asyncio.gather(frame.evaluate(_SERIALIZE, MAX_FRAME_CHARACTERS), _numbers(frame))
    except PlaywrightError:
        return None  # it is just going away, or shows what is no document
    if not isinstance(raw, dict) or not isinstance(raw.get("html"), str):
        return None
    values = [_field(each, mask_field) for each in raw.get("values") or () if isinstance(each, dict)]

    def value(found: re.Match[str]) -> str:
        number = int(found[1])
        return html.escape(values[number]) if number < len(values) else ""

    return _Part(_VALUE.sub(value, mask(raw["html"])), bool(raw.get("cut")), numbers)


def _field(value: Mapping[str, Any], mask_field: Callable[[str], str]) -> str:
    return "•••" if value.get("isSecret") else _RESERVED.sub("", mask_field(str(value.get("text", ""))))


async def _numbers(frame: Frame) -> dict[int, Frame]:
    """The frames of a frame by the number of their element."""
    children = frame.child_frames[:MAX_FRAMES]
    numbers = await asyncio.gather(*map(_number, children))
    return dict(zip(numbers, children, strict=True))


async def _number(frame: Frame) -> int:
    try:
        element = await frame.frame_element()
        number = await element.evaluate(_NUMBER_OF_FRAME)
    except PlaywrightError:
        return -1
    return number if isinstance(number, int) else -1


def _put_together(frame: Frame, parts: Mapping[Frame, _Part], *, depth: int) -> str:
    part = parts[frame]

    def framed(found: re.Match[str]) -> str:
        child = part.frames.get(int(found[1]))
        if child is None or child not in parts or depth > 5:
            return ""
        return f' srcdoc="{html.escape(_put_together(child, parts, depth=depth + 1))}"'

    return _FRAME.sub(framed, part.html)
