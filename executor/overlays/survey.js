// What lies over this page: {covers, controls, frames}, the last two with the elements of each cover. With `whole`
// the document itself is taken as one cover: it is the content of a frame that covers another page.
whole => {
  const VENDORS = ["#onetrust-banner-sdk", "#onetrust-consent-sdk", "#CybotCookiebotDialog", "#CookiebotWidget",
    ".qc-cmp2-container", "#didomi-host", "#didomi-popup", "#usercentrics-root", "#usercentrics-cmp-ui",
    ".fc-consent-root", "#truste-consent-track", "[id^=sp_message_container]", ".cc-window", "#cmpbox",
    "#cookiescript_injected", "#termly-code-snippet-support", "#iubenda-cs-banner", "#tarteaucitronRoot",
    ".osano-cm-window", "#axeptio_overlay", "#cookie-law-info-bar", ".cky-consent-container", "#klaro .cookie-notice",
    "#cc--main", "#cc-main", "#CookieReportsBanner", "#hs-eu-cookie-confirmation", ".evidon-banner",
    "#gdpr-cookie-message", "#ccc"].join();
  const DIALOGS = "dialog[open],[role=dialog],[role=alertdialog],[aria-modal=true]";
  const CLICKABLE = "button,[role=button],a,input[type=button],input[type=submit],input[type=reset],[aria-label],"
    + "[onclick],[class*=close i],[class*=dismiss i],[id*=close i],[data-dismiss],[data-bs-dismiss]";
  const NOT_TYPED = "[type=hidden],[type=button],[type=submit],[type=reset],[type=image]";
  const MIDDLE = [innerWidth / 2, innerHeight / 2];
  const squeeze = (text, limit) => (text || "").replace(/\s+/g, " ").trim().slice(0, limit);
  const parent = node => node.parentNode instanceof ShadowRoot ? node.parentNode.host : node.parentNode;
  const isInside = (node, ancestor) => {
    while (node && node !== ancestor) node = parent(node);
    return Boolean(node);
  };
  const all = root => [...root.querySelectorAll("*")]
    .flatMap(each => each.shadowRoot ? [each, ...all(each.shadowRoot)] : [each]);
  const isVisible = element => {
    const box = element.getBoundingClientRect();
    return box.width > 1 && box.height > 1 && box.bottom > 0 && box.right > 0 && box.top < innerHeight
        && box.left < innerWidth && element.checkVisibility({opacityProperty: true, visibilityProperty: true});
  };
  const at = (x, y) => {
    let found = document.elementFromPoint(x, y);
    while (found?.shadowRoot) {
      const inner = found.shadowRoot.elementFromPoint(x, y);
      if (!inner || inner === found) break;
      found = inner;
    }
    return found;
  };
  const middleOf = element => {
    const box = element.getBoundingClientRect();
    const left = Math.max(0, box.left), top = Math.max(0, box.top);
    return [(left + Math.min(innerWidth, box.right)) / 2, (top + Math.min(innerHeight, box.bottom)) / 2];
  };
  const showsAt = (element, [x, y]) => isInside(at(x, y), element);
  const named = element => {
    const ids = (element.getAttribute("aria-labelledby") || "").split(/\s+/).filter(Boolean);
    const by = ids.map(id => element.getRootNode().getElementById?.(id)?.innerText || "").join(" ");
    return squeeze(by || element.getAttribute("aria-label") || element.title
        || element.querySelector?.("img[alt]")?.alt, 200);
  };
  const everything = all(document);
  const judge = element => {
    const style = getComputedStyle(element), isFixed = style.position === "fixed";
    const isAbove = style.position === "absolute" && Number(style.zIndex) > 0;
    const isPlaced = isFixed || isAbove || style.position === "sticky";
    const isDialog = element.matches(DIALOGS)
      || (element.hasAttribute("popover") && element.matches(":popover-open"));
    const isConsent = element.matches(VENDORS);
    const namesCookies = /cookie/i.test(`${element.id} ${element.getAttribute("class")}`);
    const isGeneric = !isDialog && !isConsent && !(namesCookies && isPlaced);
    if (isGeneric && !isFixed) return null;
    const isFrameOfPage = isGeneric && (element.closest("header,nav,[role=banner],[role=navigation],"
      + "[role=status],[role=alert]") || element.querySelector("main,[role=main],nav,[role=navigation]"));
    if (isFrameOfPage) return null;
    // The root of a consent kit has no place of its own: what it holds is fixed.
    const parts = isGeneric ? [] : [...all(element), ...(element.shadowRoot ? all(element.shadowRoot) : [])];
    if (!isVisible(element) && !parts.some(isVisible)) return null;
    // A fixed box that holds all there is, is the page.
    const length = each => squeeze(each.innerText, 1e6).length;
    if (isGeneric && length(document.body) - length(element) < 20) return null;
    const isModal = element.matches("[aria-modal=true],[role=alertdialog]")
      || (element.tagName === "DIALOG" && element.matches(":modal"));
    return {element, isModal, isConsent, namesCookies, isGeneric};
  };
  const read = found => {
    const inside = found.element === document.documentElement ? everything
      : everything.filter(each => isInside(each, found.element));
    const controls = [], fields = [];
    for (const each of inside) {
      const isField = each.matches("input,textarea,select,[contenteditable=true]")
        && !each.matches(NOT_TYPED + ",[type=checkbox],[type=radio]");
      if (isField && isVisible(each)) fields.push(each);
      if (!each.matches(CLICKABLE) || controls.some(other => isInside(each, other)) || !isVisible(each)) continue;
      const isMade = each.matches("button,a,input,[role=button],[onclick],[tabindex]")
        || getComputedStyle(each).cursor === "pointer";
      if (isMade && !each.disabled && !each.contains(found.element)) controls.push(each);
    }
    const heading = inside.find(each => each.matches("h1,h2,h3,h4,[role=heading]") && isVisible(each));
    const text = found.element.innerText || inside.filter(each => each.parentNode instanceof ShadowRoot)
      .map(each => each.innerText || "").join(" ");
    const frames = inside.filter(each => each.tagName === "IFRAME" && isVisible(each));
    return {
      controls, frames,
      cover: {
        hasFrames: frames.length > 0,
        title: squeeze(heading?.innerText || named(found.element) || text, 80), text: squeeze(text, 2000),
        isModal: found.isModal, isConsent: found.isConsent, namesCookies: found.namesCookies,
        coversMiddle: showsAt(found.element, MIDDLE),
        fields: fields.length,
        asksForEmail: fields.some(each => each.type === "email"
          || /e-?mail/i.test([each.name, each.placeholder, each.id, named(each)].join(" "))),
        hasTyped: fields.some(each => each.tagName !== "SELECT" && (each.value ?? each.innerText).trim() !== ""),
        hasPassword: fields.some(each => each.type === "password"),
        controls: controls.map(each => ({
          text: squeeze(each.innerText || each.value, 200), name: named(each),
          closes: /(^|[^a-z])(close|closer|dismiss)([^a-z]|$)/i.test([each.id, each.getAttribute("class"),
            each.dataset.dismiss && "close", each.dataset.bsDismiss && "close"].join(" ")),
          navigates: each.tagName === "A" && Boolean(each.getAttribute("href"))
            && !/^(#|javascript:)/i.test(each.getAttribute("href").trim()),
          submits: (each.type === "submit" || each.type === "image") && Boolean(each.form)
            && [...each.form.elements].some(field => field.matches("input,select,textarea")
              && !field.matches(NOT_TYPED)),
        })),
      },
    };
  };
  const everythingHere = {element: document.documentElement, isModal: true, isConsent: false, namesCookies: false};
  const candidates = whole ? [everythingHere] : everything.map(judge).filter(Boolean);
  const kept = [];
  for (const candidate of candidates) {
    const outer = kept.find(each => isInside(candidate.element, each.found.element));
    const seen = read(candidate);
    if (outer) {
      // The outermost one speaks for those inside, unless it is just a box around more than them.
      if (outer.found.isGeneric && !candidate.isGeneric && outer.controls.length > seen.controls.length + 1)
        kept.splice(kept.indexOf(outer), 1);
      else {
        outer.cover.isModal ||= candidate.isModal;
        outer.cover.isConsent ||= candidate.isConsent;
        outer.cover.namesCookies ||= candidate.namesCookies;
        continue;
      }
    }
    const isOnTop = whole || showsAt(candidate.element, middleOf(candidate.element))
      || seen.controls.some(each => showsAt(each, middleOf(each)));
    if (isOnTop && seen.controls.length <= 40) kept.push({found: candidate, ...seen});
  }
  // The shade behind a dialog is none of its own.
  const isShade = each => each.found.isGeneric && !each.cover.text && !each.controls.length && !each.frames.length;
  const shown = kept.some(each => !isShade(each)) ? kept.filter(each => !isShade(each)) : kept;
  return {
    covers: shown.map(each => each.cover),
    controls: shown.map(each => each.controls),
    frames: shown.map(each => each.frames),
  };
}
