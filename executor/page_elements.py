"""The constant function that collects what a page has that could have been meant."""

# Elements of one frame that are worth a closer look.
SHORTLIST = 150

# It looks at every element once, cheaply, and tells the most likely ones in detail. Its argument is data: words that
# the command uses, the role and tag it names. Values of fields are never read, and text inside them neither.
COLLECT = r"""sought => {
  const roles = {a: "link", button: "button", select: "combobox", textarea: "textbox", summary: "button",
    h1: "heading", h2: "heading", h3: "heading", h4: "heading", h5: "heading", h6: "heading", td: "cell",
    th: "columnheader", label: "label", table: "table", option: "option", img: "img", tr: "row", li: "listitem",
    dialog: "dialog", article: "article", output: "status", progress: "progressbar", details: "group"};
  const inputs = {checkbox: "checkbox", radio: "radio", button: "button", submit: "button", reset: "button",
    image: "button", range: "slider", number: "spinbutton", search: "searchbox", file: "file"};
  const spokenButtons = new Set(["button", "submit", "reset"]);
  const skipped = new Set(["script", "style", "noscript", "template", "head", "meta", "link", "title", "base",
    "iframe", "frame", "object", "embed", "path", "defs", "symbol", "source", "track", "br", "hr", "col"]);
  const acting = new Set(["button", "link", "menuitem", "tab", "checkbox", "radio", "option", "switch", "textbox",
    "searchbox", "combobox", "spinbutton", "slider", "file", "menuitemcheckbox", "menuitemradio", "treeitem"]);
  const large = new Set(["table", "grid", "list", "dialog", "group", "article", "form", "region", "main",
    "navigation", "listbox", "menu", "toolbar", "tablist", "radiogroup", "presentation", "none", "application"]);
  // Pieces of tables and lists are many, and seldom what is meant when something else is asked for by its role.
  const parts = new Set(["row", "cell", "gridcell", "listitem", "columnheader", "rowheader"]);
  const mayBePart = !sought.role || parts.has(sought.role) || ["text", "heading"].includes(sought.role);
  const words = new Set(sought.words);
  const stems = new Set(sought.words.filter(word => word.length > 3).map(word => word.slice(0, 4)));
  const tidy = text => (text || "").replace(/\s+/g, " ").trim();
  const isField = node => node.nodeType === 1 && (/^(input|textarea|select)$/i.test(node.localName)
    || node.isContentEditable);

  // Text of an element as people hear it, at most `most` characters; what is typed into fields is left out.
  const spoken = (element, most) => {
    const pieces = [];
    let length = 0, nodes = 0;
    const walk = node => {
      for (const child of (node.shadowRoot || node).childNodes) {
        if (length > most || ++nodes > 200) return;
        if (child.nodeType === 3) {
          const text = tidy(child.data);
          if (text) { pieces.push(text); length += text.length + 1; }
        } else if (child.nodeType === 1 && !skipped.has(child.localName) && !isField(child)) {
          const alone = child.localName === "img" ? child.alt : child.getAttribute("aria-label");
          if (alone) { pieces.push(tidy(alone)); length += alone.length; } else walk(child);
        } else if (child.nodeType === 1 && child.localName === "title") {
          pieces.push(tidy(child.textContent)); length += 20;
        }
      }
    };
    walk(element);
    return tidy(pieces.join(" ")).slice(0, most);
  };
  const iconWords = element => {
    const icon = element.querySelector("svg title, svg use, i[class], span[class*=icon], svg[class], img[src]");
    if (!icon) return "";
    const named = icon.getAttribute("href") || icon.getAttribute("xlink:href") || icon.getAttribute("src") || "";
    const cls = icon.getAttribute("class") || "";
    return icon.localName === "title" ? icon.textContent : `${named.split("/").pop()} ${cls}`.slice(0, 80);
  };
  const roleOf = element => {
    const given = (element.getAttribute("role") || "").trim().split(/\s+/)[0];
    if (given) return given;
    const tag = element.localName;
    if (tag === "input") return element.type === "hidden" ? "" : inputs[element.type] || "textbox";
    if (tag === "a" && !element.hasAttribute("href")) return element.onclick ? "link" : "";
    if (element.contentEditable === "true") return "textbox";
    return roles[tag] || "";
  };
  const byId = (element, ids) => ids.split(/\s+/)
    .map(id => element.getRootNode().getElementById?.(id)).filter(Boolean).map(each => spoken(each, 80)).join(" ");
  const labelOf = element => {
    if (element.labels && element.labels.length) return [...element.labels].map(each => spoken(each, 80)).join(" ");
    const by = element.getAttribute("aria-labelledby");
    return by ? byId(element, by) : "";
  };
  const up = element => element.parentElement || element.getRootNode().host || null;
  const closest = (element, selector) => {
    for (let at = element; at; at = at.getRootNode().host) {
      const found = at.closest(selector);
      if (found) return found;
    }
    return null;
  };
  const rowTexts = new Map(), rowTextsOfParents = new Map();
  const rowOf = element => {
    const start = up(element);
    if (!rowTextsOfParents.has(start)) rowTextsOfParents.set(start, findRow(start));
    return rowTextsOfParents.get(start);
  };
  const findRow = start => {
    const row = start && closest(start, "tr, [role=row], li, [role=listitem], article, dd, fieldset, [class*=card], "
      + "[class*=row], [class*=item], form, section, [role=dialog], [role=region]");
    if (!row) return "";
    if (!rowTexts.has(row)) rowTexts.set(row, spoken(row, 200));
    return rowTexts.get(row);
  };
  const beside = element => {
    for (let at = element, steps = 0; at && steps < 3; at = up(at), steps++) {
      const before = at.previousElementSibling;
      const text = before && !skipped.has(before.localName) && !isField(before) ? spoken(before, 60) : "";
      if (text) return text;
    }
    return "";
  };
  const around = element => {
    const pieces = [];
    const cell = element.closest("td");
    if (cell) {
      const table = cell.closest("table"), head = table && table.rows[0] && table.rows[0].cells[cell.cellIndex];
      if (head) pieces.push(spoken(head, 40));
    }
    const block = closest(element, "fieldset, form, section, dialog, [role=dialog], [role=region], article, "
      + "[role=group], [role=tabpanel], nav, aside, header, footer, main");
    if (block) {
      pieces.push(block.getAttribute("aria-label") || "", block.id || "");
      const by = block.getAttribute("aria-labelledby");
      if (by) pieces.push(byId(block, by));
      const head = block.querySelector("legend, h1, h2, h3, h4, caption");
      if (head) pieces.push(spoken(head, 60));
    }
    return tidy(pieces.join(" ")).slice(0, 240);
  };
  const sharedCounts = new Map();
  const shared = text => {
    let count = text ? sharedCounts.get(text) : 0;
    if (count === undefined) sharedCounts.set(text, count = countShared(text));
    return count;
  };
  const countShared = text => {
    let count = 0;
    if (/[^\0-\x7f]/.test(text)) text = text.normalize("NFKD").replace(/[\u0300-\u036f]/g, "");
    const seen = text.replace(/([a-z0-9])([A-Z])/g, "$1 $2").toLowerCase().match(/[\p{L}\d]+/gu) || [];
    for (const word of seen.slice(0, 40)) {
      if (words.has(word)) count += 2; else if (word.length > 3 && stems.has(word.slice(0, 4))) count += 1;
    }
    return Math.min(count, 8);
  };
  // As fast as it gets, for the first look: without blanks between blocks, with what is hidden.
  const roughly = element => element.childElementCount > 12
    ? [...element.childNodes].map(node => node.nodeType === 3 ? node.data : "").join(" ").slice(0, 160)
    : element.textContent.slice(0, 160);

  const found = [];
  const height = innerHeight, width = innerWidth;
  let order = 0;
  const visit = (root, isActing) => {
    for (const element of root.children) {
      const tag = element.localName;
      if (skipped.has(tag) || tag === "svg" && !element.hasAttribute("role")) continue;
      if (order++ > 20000) return;
      const role = roleOf(element);
      const acts = acting.has(role) || element.hasAttribute("onclick") || element.tabIndex >= 0 && tag !== "body";
      if (parts.has(role) && !mayBePart) { descend(element, isActing); continue; }
      const isText = !role && !isActing && !isField(element)
        && [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
      if (role || acts || isText) consider(element, tag, role || (acts ? "generic" : "text"), acts);
      if (!isField(element)) descend(element, isActing || acts);
    }
  };
  const descend = (element, isActing) => {
    if (element.shadowRoot) visit(element.shadowRoot, isActing);
    if (element.firstElementChild) visit(element, isActing);
  };
  const consider = (element, tag, role, acts) => {
    const box = element.getBoundingClientRect();
    if ((!box.width || !box.height) && role !== "file") return;
    const has = {};
    for (const {name, value} of element.attributes) has[name] = value;
    const type = (has.type || (tag === "button" && element.form ? element.type : "") || "").toLowerCase();
    const hasText = !isField(element) && !large.has(role);
    const one = {element, tag, role, acts, type, box, hasText, order,
      label: acts || has["aria-labelledby"] ? labelOf(element) : "",
      given: has["aria-label"] || (tag === "input" && spokenButtons.has(type) ? element.value : ""),
      alt: has.alt || "", id: has.id || "", cls: (has.class || "").slice(0, 160),
      testid: has["data-testid"] || has["data-test"] || has["data-test-id"] || has["data-cy"] || has["data-qa"] || "",
      nameattr: has.name || "", placeholder: has.placeholder || "", title: has.title || ""};
    const text = hasText ? roughly(element) : "";
    if (acts && hasText && !text.trim()) one.cls += ` ${iconWords(element)}`;
    one.worth = shared(one.given || one.label || text) + shared(one.placeholder) + shared(one.title) + shared(one.alt)
      + shared(one.id) + shared(one.cls) + shared(one.testid) + shared(one.nameattr)
      + (sought.role && role === sought.role ? 4 : 0) + (sought.tag && tag === sought.tag ? 2 : 0)
      + (acts ? 2 : 0) + (sought.hasContext ? shared(rowOf(element)) : 0);
    found.push(one);
  };
  if (document.body) visit(document.body, false);

  found.sort((a, b) => b.worth - a.worth || a.order - b.order);
  const told = [];
  for (const one of found) {
    if (told.length >= sought.limit) break;
    const {element, box, acts, role, tag, type} = one;
    const isSeen = !element.checkVisibility || element.checkVisibility({visibilityProperty: true});
    if (!isSeen && role !== "file") continue;
    const attributes = {};
    for (const name of sought.attributes) {
      const isValue = name === "value" && !/^(button|submit|reset|radio|checkbox)$/.test(type);
      const value = isValue ? null : element.getAttribute(name);
      if (value !== null) attributes[name] = value.slice(0, 200);
    }
    if (one.testid) attributes["data-testid"] = one.testid;
    const neighbor = beside(element);
    const text = one.hasText ? spoken(element, 120) : "";
    const said = tidy(one.given || one.label || text || one.placeholder || one.title || one.alt);
    const name = said || isField(element) && neighbor || one.nameattr || one.id || neighbor;
    told.push({role, tag, type, acts, name: name.slice(0, 120), beside: neighbor,
      label: one.label, text, placeholder: one.placeholder, title: one.title, id: one.id, cls: one.cls,
      testid: one.testid, nameattr: one.nameattr, attributes, row: rowOf(element), around: around(element),
      isDisabled: !!element.disabled || element.getAttribute("aria-disabled") === "true",
      isAside: !!closest(element, "nav, footer, aside, header, [role=navigation], [role=contentinfo]"),
      isInView: box.bottom > 0 && box.right > 0 && box.top < height && box.left < width,
      box: {x: box.x, y: box.y, width: box.width, height: box.height}});
  }
  return told;
}"""
