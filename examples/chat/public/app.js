/**
 * The chat page: shows the welcome card or the chat, by who is signed in, and the room that the address names.
 *
 * `session.js` knows who is signed in, `live.js` follows lists, `rooms.js` and `conversation.js` are the two panes.
 */

import { closeConversation, openConversation } from "./conversation.js";
import { avatar, byId, refreshTimes } from "./dom.js";
import { followRooms, markOpen, sortedRooms } from "./rooms.js";
import { session, signOut, user } from "./session.js";
import { hideWelcome, showWelcome } from "./welcome.js";

const wide = window.matchMedia("(min-width: 48rem)");
let stopRooms = null;
let leaving = false;

function start() {
  const ended = stopRooms !== null && !leaving;
  leaving = false;
  stopRooms?.();
  stopRooms = null;
  closeConversation();
  byId("chat").hidden = !user();
  if (!user()) {
    return showWelcome(ended ? "Your session has ended. Please sign in again." : null);
  }
  hideWelcome();
  byId("my-avatar").replaceChildren(avatar(user()));
  byId("my-name").textContent = user().name;
  byId("my-role").textContent = (user().roles ?? []).join(", ");
  stopRooms = followRooms(route);
}

/** Opens the room after the `#`; on a wide screen, where both panes show, the first room when there is none. */
function route() {
  const rooms = sortedRooms();
  const id = /^#room\/(.+)$/.exec(location.hash)?.[1];
  const room = rooms.find((candidate) => candidate.id === id) ?? (wide.matches ? rooms[0] : undefined);
  byId("chat").dataset.showing = room ? "room" : "rooms";
  byId("nothing-open").hidden = Boolean(room);
  markOpen(room?.id);
  if (room) {
    openConversation(room);
  } else {
    closeConversation();
  }
}

byId("sign-out").addEventListener("click", async () => {
  leaving = true;
  await signOut();
  history.replaceState(null, "", location.pathname);
});
window.addEventListener("hashchange", () => user() && route());
wide.addEventListener("change", () => user() && route());
session.addEventListener("changed", start);
setInterval(refreshTimes, 20_000);
start();
