// Small means of making elements. Text goes in as text: nothing here reads HTML.

/** An element: `h("p.quiet", { title: "…" }, "text", child, [children])`. */
export function h(kind, attributes = {}, ...children) {
  const [tag, ...classes] = kind.split(".");
  const element = document.createElement(tag);
  if (classes.length) {
    element.className = classes.join(" ");
  }
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) {
      element.addEventListener(name.slice(2), value);
    } else if (value === true) {
      element.setAttribute(name, "");
    } else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(name, value);
    }
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Prose with `code` in backticks and paragraphs between empty lines. */
export function prose(text) {
  return (text ?? "").split(/\n{2,}/).filter(Boolean).map((paragraph) => h("p", {}, spans(paragraph)));
}

function spans(text) {
  return text.split("`").map((part, index) => (index % 2 ? h("code", {}, part) : part));
}

/** JSON, coloured. */
export function code(value) {
  const text = typeof value === "string" ? value : JSON.stringify(value, null, 2);
  const tokens = text.split(/("(?:[^"\\]|\\.)*"(?:\s*:)?|\b(?:true|false|null)\b|-?\b\d+(?:\.\d+)?(?:[eE][+-]?\d+)?\b)/);
  const kind = (token) => (token.endsWith(":") ? "key" : token.startsWith('"') ? "text" : /^[tfn]/.test(token) ? "word" : "number");
  return h("pre", {}, h("code", {}, tokens.map((token, index) => (index % 2 ? h(`span.${kind(token)}`, {}, token) : token))));
}
