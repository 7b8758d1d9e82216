/**
 * Who is signed in, and requests in their name.
 *
 * The session lives in localStorage, so it is one for all tabs. The access token is short-lived: it is renewed shortly
 * before it ends, by one tab at a time, and once more when the server refuses it. `session` sends "changed" when somebody
 * signs in or out, here or in another tab.
 */

const KEY = "ninefold-chat.session";
const RENEW_EARLY_MS = 30_000;

export const session = new EventTarget();

let current = load();
let renewing = null;

/** An answer that is not a success, with what its RFC 9457 problem tells. */
export class Refusal extends Error {
  constructor(status, problem) {
    super(problem.detail ?? problem.title ?? `The server answered ${status}.`);
    this.status = status;
    this.code = problem.code;
    this.fields = problem.errors ?? [];
  }
}

/** The signed-in user's record, or null. */
export function user() {
  return current?.user ?? null;
}

export async function signIn(mode, credentials) {
  keep(await post(`/auth/${mode}`, credentials));
}

export async function signOut() {
  const { refreshToken } = current ?? {};
  try {
    await request("POST", "/auth/sign-out", { refreshToken });
  } catch {
    // The tokens are dropped all the same; what is left of them on the server ends by itself.
  }
  keep(null);
}

/** The JSON of an answer, or null when it has none. */
export async function request(method, path, body, headers = {}) {
  const init = { method, headers: { Accept: "application/json", ...headers } };
  if (body !== undefined) {
    init.headers["Content-Type"] = "application/json";
    init.body = JSON.stringify(body);
  }
  return json(await send(path, init));
}

/** A successful answer whose body is still to be read; throws a `Refusal` otherwise. */
export async function send(path, init) {
  let token = await freshToken();
  let response = await fetch(path, authorized(init, token));
  if (response.status === 401 && token) {
    token = await renew(token);
    response = await fetch(path, authorized(init, token));
  }
  return accepted(response);
}

/** What to tell a person about an error. */
export function explain(error) {
  if (!(error instanceof Refusal)) {
    return "The server can’t be reached. Check the connection and try again.";
  }
  return sentence([error.message, ...error.fields.map((field) => field.message)].join(". "));
}

export function sentence(text) {
  const trimmed = text.trim();
  return trimmed.charAt(0).toUpperCase() + trimmed.slice(1) + (/[.!?]$/.test(trimmed) ? "" : ".");
}

function authorized(init, token) {
  return token ? { ...init, headers: { ...init.headers, Authorization: `Bearer ${token}` } } : init;
}

async function freshToken() {
  if (current && current.expiresAt - Date.now() < RENEW_EARLY_MS) {
    return renew(current.accessToken);
  }
  return current?.accessToken;
}

/** A newer token than `stale`. Many callers share one renewal, and tabs take turns: a refresh token works once. */
function renew(stale) {
  renewing ??= inTurn(async () => {
    current = load();
    if (!current || current.accessToken !== stale) {
      return current?.accessToken;
    }
    try {
      keep(await post("/auth/refresh", { refreshToken: current.refreshToken }));
    } catch (error) {
      if (error instanceof Refusal && error.status < 500 && error.status !== 429) {
        keep(null);
      }
      throw error;
    }
    return current.accessToken;
  }).finally(() => (renewing = null));
  return renewing;
}

/** `navigator.locks` exists only where the page came over HTTPS or from this machine. */
function inTurn(work) {
  return navigator.locks ? navigator.locks.request(KEY, work) : work();
}

async function post(path, body) {
  const headers = { Accept: "application/json", "Content-Type": "application/json" };
  return json(await accepted(await fetch(path, { method: "POST", headers, body: JSON.stringify(body) })));
}

async function accepted(response) {
  if (response.ok) {
    return response;
  }
  throw new Refusal(response.status, await response.json().catch(() => ({})));
}

async function json(response) {
  const text = await response.text();
  return text ? JSON.parse(text) : null;
}

function load() {
  return JSON.parse(localStorage.getItem(KEY) ?? "null");
}

function keep(answer) {
  const before = user()?.id;
  if (answer) {
    const { expiresIn, ...rest } = answer;
    current = { ...rest, expiresAt: Date.now() + expiresIn * 1000 };
    localStorage.setItem(KEY, JSON.stringify(current));
  } else {
    current = null;
    localStorage.removeItem(KEY);
  }
  announce(before);
}

function announce(before) {
  if (user()?.id !== before) {
    session.dispatchEvent(new Event("changed"));
  }
}

window.addEventListener("storage", (event) => {
  if (event.key === KEY) {
    const before = user()?.id;
    current = load();
    announce(before);
  }
});
