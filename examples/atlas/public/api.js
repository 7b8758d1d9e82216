/** The REST API, and who is signed in. The token lives as long as the page. */

let token = null;

export async function request(method, path, body) {
  const headers = body ? { "content-type": "application/json" } : {};
  if (token) {
    headers.authorization = `Bearer ${token}`;
  }
  const response = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
  const answer = response.status === 204 ? null : await response.json();
  if (!response.ok) {
    throw new Error(answer.detail);
  }
  return answer;
}

/** A page of a collection; what is null or empty is left out of the question. */
export function list(collection, parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return request("GET", `/api/${collection}?${new URLSearchParams(given)}`);
}

/** Text in a CEL expression. */
export function quoted(text) {
  return JSON.stringify(text);
}

export async function signIn(email, password) {
  const answer = await request("POST", "/auth/sign-in", { email, password });
  token = answer.accessToken;
  return answer.user;
}

export function signOut() {
  token = null;
}
