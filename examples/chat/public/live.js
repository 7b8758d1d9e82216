/**
 * Live queries: a list that keeps itself up to date, over Server-Sent Events.
 *
 * `EventSource` can't send an Authorization header, so the stream is read through `fetch`. A connection begins with a
 * snapshot and goes on with changes. When it breaks, the next one begins with a snapshot again, so nothing is missed. A hidden
 * tab closes its streams, because a browser opens only six connections to a server.
 */

import { Refusal, send } from "./session.js";

/** Longer than the server is ever silent: it sends a comment when it has nothing else to say. */
const SILENCE_MAX_MS = 60_000;
const PAUSE_MIN_MS = 500;
const PAUSE_MAX_MS = 15_000;

/**
 * Follows `path` until the returned function is called. `on` has
 * `snapshot(records)`, `changed(record)`, `removed(id)` and `status("live" | "waiting" | "refused", error)`.
 */
export function live(path, on) {
  const stopping = new AbortController();
  follow(path, on, stopping.signal);
  return () => stopping.abort();
}

async function follow(path, on, stopped) {
  let failures = 0;
  const heard = () => {
    failures = 0;
    on.status("live");
  };
  while (!stopped.aborted) {
    await shown(stopped);
    try {
      await connect(path, on, stopped, heard);
    } catch (error) {
      if (!stopped.aborted && isFinal(error)) {
        return on.status("refused", error);
      }
    }
    if (!stopped.aborted && !document.hidden) {
      on.status("waiting");
      await pause(failures++, stopped);
    }
  }
}

async function connect(path, on, stopped, heard) {
  const connection = new AbortController();
  const close = () => connection.abort();
  const closeWhenHidden = () => document.hidden && close();
  let silence = setTimeout(close, SILENCE_MAX_MS);
  stopped.addEventListener("abort", close);
  document.addEventListener("visibilitychange", closeWhenHidden);
  try {
    const init = { headers: { Accept: "text/event-stream" }, signal: connection.signal };
    const response = await send(path, init);
    for await (const event of events(response.body)) {
      clearTimeout(silence);
      silence = setTimeout(close, SILENCE_MAX_MS);
      if (event.data && !stopped.aborted) {
        deliver(event, on, heard);
      }
    }
  } finally {
    clearTimeout(silence);
    stopped.removeEventListener("abort", close);
    document.removeEventListener("visibilitychange", closeWhenHidden);
  }
}

function deliver({ name, data }, on, heard) {
  const value = JSON.parse(data);
  switch (name) {
    case "snapshot":
      on.snapshot(value.items);
      return heard();
    case "created":
    case "updated":
      return on.changed(value);
    case "removed":
      return on.removed(value.id);
  }
}

/** What the server sent, event by event; a lone comment is an event without data, so that silence can be told from rest. */
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) {
      return;
    }
    const blocks = (text + value.replaceAll("\r", "")).split("\n\n");
    text = blocks.pop();
    for (const block of blocks) {
      yield parse(block);
    }
  }
}

function parse(block) {
  let name = "message";
  const data = [];
  for (const line of block.split("\n")) {
    const [, field, value] = /^([^:]*):? ?(.*)$/.exec(line);
    if (field === "event") {
      name = value;
    } else if (field === "data") {
      data.push(value);
    }
  }
  return { name, data: data.join("\n") };
}

/** Asking again would not help: the request is wrong, or not allowed. */
function isFinal(error) {
  return error instanceof Refusal && error.status < 500 && error.status !== 408 && error.status !== 429;
}

function shown(stopped) {
  if (!document.hidden) {
    return;
  }
  return new Promise((resolve) => {
    document.addEventListener("visibilitychange", resolve, { once: true, signal: stopped });
    stopped.addEventListener("abort", resolve, { once: true });
  });
}

/** Waits longer after each failure, with some chance in it so that not all clients come back at once. */
function pause(failures, stopped) {
  const longest = Math.min(PAUSE_MAX_MS, PAUSE_MIN_MS * 2 ** failures);
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, longest * (0.5 + Math.random() / 2));
    const early = () => {
      clearTimeout(timer);
      resolve();
    };
    window.addEventListener("online", early, { once: true, signal: stopped });
    stopped.addEventListener("abort", early, { once: true });
  });
}
