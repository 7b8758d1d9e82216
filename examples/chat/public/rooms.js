/** The rooms of the signed-in person, live, and the dialog that makes a room or brings people into one. */

import { avatar, byId, element, nameList, reconcile } from "./dom.js";
import { live } from "./live.js";
import { Refusal, explain, request, sentence, user } from "./session.js";

const ROOMS_SHOWN = 200;
const PEOPLE_SHOWN = 20;

const dialog = byId("room-dialog");
const form = byId("room-form");
const alert = byId("room-alert");

const rooms = new Map();
const links = new Map();

/** The room that the dialog adds people to; null when it makes a new one. */
let target = null;
const picked = new Map();
let search = 0;

/** Follows the rooms and calls `changed` whenever they differ; returns how to stop. */
export function followRooms(changed) {
  rooms.clear();
  const shown = () => {
    render();
    changed();
  };
  const query = new URLSearchParams({ expand: "members", sort: "name", limit: ROOMS_SHOWN });
  return live(`/api/rooms?${query}`, {
    snapshot(records) {
      rooms.clear();
      records.forEach((room) => rooms.set(room.id, room));
      shown();
    },
    changed(room) {
      rooms.set(room.id, room);
      shown();
    },
    removed(id) {
      rooms.delete(id);
      shown();
    },
    status() {},
  });
}

/** The rooms in the order of their names. */
export function sortedRooms() {
  return [...rooms.values()].sort((a, b) => a.name.localeCompare(b.name) || a.id.localeCompare(b.id));
}

export function markOpen(id) {
  for (const [room, { link }] of links) {
    if (room === id) {
      link.setAttribute("aria-current", "page");
    } else {
      link.removeAttribute("aria-current");
    }
  }
}

/** Opens the dialog for a new room, or to bring people into `room`. */
export function openDialog(room = null) {
  target = room;
  picked.clear();
  form.reset();
  clearErrors();
  byId("room-name-field").hidden = room !== null;
  byId("room-dialog-title").textContent = room ? `Add people to ${room.name}` : "New room";
  form.querySelector("[type=submit]").textContent = room ? "Add" : "Make room";
  byId("candidates").replaceChildren();
  find();
  dialog.showModal();
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  clearErrors();
  const name = form.elements.name.value.trim();
  if (!target && !name) {
    return markName("Give it a name");
  }
  try {
    await (target ? addPeople(target) : makeRoom(name));
    dialog.close();
  } catch (error) {
    const wrongName = error instanceof Refusal && error.fields.find(({ field }) => field === "name");
    if (wrongName) {
      markName(wrongName.message);
    } else {
      tell(explain(error));
    }
  }
});

async function makeRoom(name) {
  const room = await request("POST", "/api/rooms", { name, members: [user().id, ...picked.keys()] });
  location.hash = `room/${room.id}`;
}

async function addPeople(room) {
  if (picked.size > 0) {
    await request("PATCH", `/api/rooms/${room.id}`, { members: { add: [...picked.keys()] } });
  }
}

/** Looks for people by name; an answer that a newer question has overtaken is dropped. */
async function find() {
  const asked = ++search;
  const query = new URLSearchParams({ fields: "id,name", sort: "name", limit: PEOPLE_SHOWN, filter: peopleFilter() });
  try {
    const { items } = await request("GET", `/api/users?${query}`);
    if (asked === search) {
      showCandidates(items);
    }
  } catch (error) {
    tell(explain(error));
  }
}

/** A filter is CEL, and a JSON string is a CEL string. */
function peopleFilter() {
  const known = target ? target.members.map(({ id }) => id) : [user().id];
  const others = `!(record.id in ${JSON.stringify(known)})`;
  const text = byId("find").value.trim();
  if (!text) {
    return others;
  }
  const capitalised = text.charAt(0).toUpperCase() + text.slice(1);
  const spellings = [...new Set([text, capitalised])].map((spelling) => `record.name.contains(${JSON.stringify(spelling)})`);
  return `${others} && (${spellings.join(" || ")})`;
}

function showCandidates(people) {
  const found = people.filter(({ id }) => !picked.has(id));
  const rows = [...picked.values(), ...found].map(candidate);
  const nobody = element("li", { className: "nobody quiet", textContent: "Nobody else is called that." });
  byId("candidates").replaceChildren(...(rows.length > 0 ? rows : [nobody]));
}

function candidate(person) {
  const box = element("input", { type: "checkbox", checked: picked.has(person.id) });
  box.addEventListener("change", () => (box.checked ? picked.set(person.id, person) : picked.delete(person.id)));
  return element("li", {}, element("label", {}, avatar(person), element("span", { textContent: person.name }), box));
}

function render() {
  for (const id of links.keys()) {
    if (!rooms.has(id)) {
      links.delete(id);
    }
  }
  reconcile(byId("rooms"), sortedRooms().map(roomRow));
  byId("no-rooms").hidden = rooms.size > 0;
}

function roomRow(room) {
  const row = links.get(room.id) ?? newRow(room);
  const others = room.members.filter(({ id }) => id !== user().id).map(({ name }) => name.split(" ")[0]);
  row.tile.replaceWith((row.tile = avatar(room, "room")));
  row.name.textContent = room.name;
  row.people.textContent = others.length > 0 ? nameList(others) : "Only you";
  return row.node;
}

function newRow(room) {
  const row = { tile: avatar(room, "room"), name: element("strong"), people: element("small", { className: "quiet" }) };
  row.link = element("a", { href: `#room/${room.id}` }, row.tile, element("span", {}, row.name, row.people));
  row.node = element("li", {}, row.link);
  links.set(room.id, row);
  return row;
}

function markName(message) {
  byId("new-name").setAttribute("aria-invalid", "true");
  byId("new-name-error").textContent = sentence(message);
  byId("new-name").focus();
}

function clearErrors() {
  byId("new-name").removeAttribute("aria-invalid");
  byId("new-name-error").textContent = "";
  tell(null);
}

function tell(text) {
  alert.textContent = text ?? "";
  alert.hidden = !text;
}

let typing;
byId("find").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(find, 200);
});
byId("find").addEventListener("keydown", (event) => event.key === "Enter" && event.preventDefault());
form.querySelector("[data-cancel]").addEventListener("click", () => dialog.close());
byId("new-room").addEventListener("click", () => openDialog());
byId("first-room").addEventListener("click", () => openDialog());
