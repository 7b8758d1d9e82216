/** The open room: who is in it, what was said, live, and what one says next. */

import { avatar, byId, dayName, element, nameList, reconcile, timeNode, toast } from "./dom.js";
import { live } from "./live.js";
import { openDialog } from "./rooms.js";
import { explain, request, user } from "./session.js";

const PAGE = 50;
/** Messages of one person within this time stand together under one name. */
const TOGETHER_MS = 5 * 60_000;
const AVATARS_SHOWN = 4;
/** So near to the end of the list a reader follows along when something new is said. */
const NEAR_END_PX = 120;

const scroller = byId("scroller");
const composer = byId("composer");
const body = byId("body");

let room = null;
let stop = null;
/** By id; every node of the list is kept with what it shows, and made anew only when that changes. */
const messages = new Map();
const nodes = new Map();

/** Shows `next`; the messages are followed from here on, unless they are already. */
export function openConversation(next) {
  const same = room?.id === next.id;
  room = next;
  byId("conversation").hidden = false;
  showHead();
  if (!same) {
    stop?.();
    reset();
    stop = live(`/api/messages?${query(`record.room == ${JSON.stringify(room.id)}`)}`, listener());
  }
}

export function closeConversation() {
  stop?.();
  stop = room = null;
  reset();
  byId("conversation").hidden = true;
}

function query(filter) {
  return new URLSearchParams({ filter, sort: "-sent", limit: PAGE, expand: "author" });
}

function listener() {
  return {
    snapshot(records) {
      startFrom(records);
      byId("earlier").hidden = records.length < PAGE;
      render({ toEnd: true });
    },
    changed(message) {
      messages.set(message.id, message);
      render({ toEnd: isNearEnd() });
    },
    removed(id) {
      messages.delete(id);
      render({});
    },
    status: showStatus,
  };
}

/** A snapshot replaces what it covers; what was loaded from before it stays. */
function startFrom(records) {
  const oldest = records.at(-1);
  for (const message of messages.values()) {
    if (!oldest || records.length < PAGE || message.sent >= oldest.sent) {
      messages.delete(message.id);
    }
  }
  records.forEach((message) => messages.set(message.id, message));
}

function reset() {
  messages.clear();
  nodes.clear();
  composer.reset();
  byId("messages").replaceChildren();
  byId("earlier").hidden = byId("no-messages").hidden = byId("jump").hidden = true;
  fit();
}

function showHead() {
  const names = room.members.map((member) => (member.id === user().id ? "you" : member.name.split(" ")[0]));
  names.sort((a, b) => (a === "you") - (b === "you"));
  byId("room-name").textContent = room.name;
  byId("member-names").textContent = nameList(names);
  const shown = room.members.slice(0, AVATARS_SHOWN).map((member) => avatar(member));
  const rest = room.members.length - shown.length;
  if (rest > 0) {
    shown.push(element("span", { className: "avatar rest", textContent: `+${rest}` }));
  }
  byId("member-avatars").replaceChildren(...shown);
  document.title = `${room.name} · Chat`;
}

const STATES = { live: "Live", waiting: "Connecting…", refused: "Not available" };

function showStatus(state, error) {
  byId("status").textContent = STATES[state];
  byId("status").dataset.state = state;
  if (error) {
    toast(explain(error));
  }
}

function render({ toEnd }) {
  const sorted = [...messages.values()].sort((a, b) => a.sent.localeCompare(b.sent) || a.id.localeCompare(b.id));
  const grew = sorted.length > byId("messages").querySelectorAll(".message").length;
  reconcile(byId("messages"), sorted.flatMap((message, index) => rows(message, sorted[index - 1])));
  byId("no-messages").hidden = sorted.length > 0;
  if (toEnd) {
    scroller.scrollTop = scroller.scrollHeight;
  } else if (grew) {
    byId("jump").hidden = false;
  }
}

/** The message, and above it the name of its day when it is the first of that day. */
function rows(message, previous) {
  const day = dayName(message.sent);
  const newDay = !previous || dayName(previous.sent) !== day;
  const joined = !newDay && previous.author.id === message.author.id && near(previous.sent, message.sent);
  const key = [message.version, message.body, joined].join("\n");
  const known = nodes.get(message.id);
  const node = known?.key === key ? known.node : messageNode(message, joined);
  nodes.set(message.id, { key, node });
  return newDay ? [dayNode(day), node] : [node];
}

function near(earlier, later) {
  return new Date(later) - new Date(earlier) < TOGETHER_MS;
}

function dayNode(day) {
  const known = nodes.get(day);
  const node = known?.node ?? element("li", { className: "day" }, element("span", { textContent: day }));
  nodes.set(day, { node });
  return node;
}

function messageNode(message, joined) {
  const mine = message.author.id === user().id;
  const side = joined ? [] : [avatar(message.author)];
  const head = element("div", { className: "byline" }, element("strong", { textContent: mine ? "You" : message.author.name }));
  head.append(timeNode(message.sent));
  const bubble = element("div", { className: "bubble", textContent: message.body });
  const line = element("div", { className: "line" }, bubble);
  if (mine || user().roles?.includes("moderator")) {
    line.append(deleteButton(message));
  }
  const text = element("div", { className: "text" }, ...(joined ? [] : [head]), line);
  return element("li", { className: `message${mine ? " mine" : ""}${joined ? " joined" : ""}` }, ...side, text);
}

function deleteButton(message) {
  const button = element("button", { type: "button", className: "delete", title: "Delete", "aria-label": "Delete this message" });
  button.append(byId("delete-icon").content.cloneNode(true));
  button.addEventListener("click", () => {
    const dialog = byId("delete-dialog");
    byId("delete-body").textContent = message.body;
    dialog.returnValue = "keep";
    dialog.addEventListener("close", () => dialog.returnValue === "delete" && remove(message), { once: true });
    dialog.showModal();
  });
  return button;
}

async function remove({ id }) {
  try {
    await request("DELETE", `/api/messages/${id}`);
    messages.delete(id);
    render({});
  } catch (error) {
    toast(explain(error));
  }
}

/** Says it. The key makes it safe to say it once more when the answer got lost on the way. */
async function say(text) {
  const headers = { "Idempotency-Key": `${Date.now()}-${Math.random().toString(36).slice(2)}` };
  const saying = () => request("POST", "/api/messages", { room: room.id, body: text }, headers);
  try {
    return await saying();
  } catch (error) {
    if (error instanceof TypeError) {
      return saying();
    }
    throw error;
  }
}

composer.addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = body.value.trim();
  const where = room.id;
  if (!text) {
    return;
  }
  composer.reset();
  fit();
  try {
    const message = await say(text);
    if (room?.id === where) {
      messages.set(message.id, messages.get(message.id) ?? { ...message, author: user() });
      render({ toEnd: true });
    }
  } catch (error) {
    toast(explain(error));
    body.value ||= text;
    fit();
  }
});

body.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    composer.requestSubmit();
  }
});
body.addEventListener("input", fit);

/** The box grows with what is written, up to the limit in the style sheet. */
function fit() {
  body.style.height = "auto";
  body.style.height = `${body.scrollHeight}px`;
}

/** Asks for the page before the oldest message; `<=` and the id keep those of the same instant. */
byId("earlier").addEventListener("click", async () => {
  const oldest = [...messages.values()].map(({ sent }) => sent).sort()[0];
  const filter = `record.room == ${JSON.stringify(room.id)} && record.sent <= timestamp(${JSON.stringify(oldest)})`;
  const bottom = scroller.scrollHeight - scroller.scrollTop;
  try {
    const { items, next } = await request("GET", `/api/messages?${query(filter)}`);
    items.forEach((message) => messages.set(message.id, message));
    byId("earlier").hidden = !next;
    render({});
    byId("jump").hidden = true;
    scroller.scrollTop = scroller.scrollHeight - bottom;
  } catch (error) {
    toast(explain(error));
  }
});

function isNearEnd() {
  return scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR_END_PX;
}

scroller.addEventListener("scroll", () => {
  if (isNearEnd()) {
    byId("jump").hidden = true;
  }
});
byId("jump").addEventListener("click", () => (scroller.scrollTop = scroller.scrollHeight));
byId("add-people").addEventListener("click", () => openDialog(room));
