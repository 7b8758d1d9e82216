/**
 * Building the page. Text only ever becomes text nodes, so what people write can't become markup.
 */

export const byId = (id) => document.getElementById(id);

/** An element with properties, attributes (names with a dash, and `role`) and children. */
export function element(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-") || name === "role") {
      node.setAttribute(name, value);
    } else {
      node[name] = value;
    }
  }
  node.append(...children);
  return node;
}

/** A coloured disc with a person's initials; the colour is always the same for the same id. */
export function avatar({ id, name }, shape = "person") {
  const node = element("span", { className: `avatar ${shape}`, textContent: initials(name), title: name, "aria-hidden": "true" });
  node.style.setProperty("--hue", hue(id));
  return node;
}

/** Makes `parent` hold exactly `nodes`, touching only what differs: focus, animations and announcements stay right. */
export function reconcile(parent, nodes) {
  const wanted = new Set(nodes);
  for (const child of [...parent.children]) {
    if (!wanted.has(child)) {
      child.remove();
    }
  }
  nodes.forEach((node, index) => {
    if (parent.children[index] !== node) {
      parent.insertBefore(node, parent.children[index] ?? null);
    }
  });
}

const NAMES_SHOWN = 3;

/** "Ada, Jun and 2 others" */
export function nameList(names) {
  const rest = names.length - NAMES_SHOWN;
  const shown = rest > 1 ? [...names.slice(0, NAMES_SHOWN), `${rest} others`] : names;
  return new Intl.ListFormat("en", { type: "conjunction" }).format(shown);
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });
const clock = new Intl.DateTimeFormat("en", { timeStyle: "short" });
const absolute = new Intl.DateTimeFormat("en", { dateStyle: "full", timeStyle: "short" });

/** When something was said: told from now while it is fresh, by the clock when its day is over. */
export function timeNode(date) {
  return element("time", { dateTime: date, title: absolute.format(new Date(date)), textContent: told(date) });
}

/** Keeps the times on the page true. */
export function refreshTimes() {
  for (const node of document.querySelectorAll("time")) {
    node.textContent = told(node.dateTime);
  }
}

function told(date) {
  const elapsed = Date.now() - new Date(date).getTime();
  if (elapsed < MINUTE_MS) {
    return "just now";
  }
  if (elapsed < HOUR_MS) {
    return relative.format(-Math.floor(elapsed / MINUTE_MS), "minute");
  }
  if (dayName(date) === "Today") {
    return relative.format(-Math.floor(elapsed / HOUR_MS), "hour");
  }
  return clock.format(new Date(date));
}

/** "Today", "Yesterday", "Monday, March 9" */
export function dayName(date) {
  const day = new Date(date);
  const today = new Date();
  const days = Math.round((midnight(today) - midnight(day)) / 86_400_000);
  if (days <= 1) {
    return days === 1 ? "Yesterday" : "Today";
  }
  const year = day.getFullYear() === today.getFullYear() ? undefined : "numeric";
  return new Intl.DateTimeFormat("en", { weekday: "long", month: "long", day: "numeric", year }).format(day);
}

function midnight(date) {
  return new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
}

let hideToast;

/** Tells of an error that has no better place on the page. */
export function toast(text) {
  const node = byId("toast");
  node.textContent = text;
  node.hidden = false;
  clearTimeout(hideToast);
  hideToast = setTimeout(() => (node.hidden = true), 6000);
}

function initials(name) {
  const words = name.trim().split(/\s+/);
  const letters = words.length > 1 ? [words[0], words.at(-1)] : words;
  return letters.map((word) => [...word][0] ?? "").join("").toUpperCase();
}

/** FNV-1a, because ids made one after the other differ in a few digits only, and their colours should differ much. */
function hue(id) {
  let hash = 0x811c9dc5;
  for (let index = 0; index < id.length; index++) {
    hash = Math.imul(hash ^ id.charCodeAt(index), 0x01000193) >>> 0;
  }
  return (hash >>> 8) % 360;
}
