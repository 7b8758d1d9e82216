/** Signing in, and signing up. */

import { byId } from "./dom.js";
import { Refusal, explain, sentence, signIn } from "./session.js";

const form = byId("welcome-form");
const alert = byId("welcome-alert");
const submit = form.querySelector("[type=submit]");
const switches = [...document.querySelectorAll("[data-mode]")];
const labels = { "sign-in": "Sign in", "sign-up": "Create account" };
const required = { name: "Tell us your name", email: "An email address is needed", password: "A password is needed" };

let mode = "sign-in";

export function showWelcome(notice) {
  form.reset();
  choose("sign-in");
  tell(notice);
  byId("welcome").hidden = false;
  form.elements.email.focus();
}

export function hideWelcome() {
  byId("welcome").hidden = true;
}

for (const button of switches) {
  button.addEventListener("click", () => {
    choose(button.dataset.mode);
    inputs()[0].focus();
  });
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  clearErrors();
  const missing = inputs().filter((input) => !input.value.trim());
  missing.forEach((input) => mark(input, required[input.name]));
  if (missing.length > 0) {
    return missing[0].focus();
  }
  submit.disabled = true;
  try {
    await signIn(mode, credentials());
  } catch (error) {
    show(error);
  } finally {
    submit.disabled = false;
  }
});

function choose(chosen) {
  mode = chosen;
  clearErrors();
  for (const button of switches) {
    button.setAttribute("aria-pressed", String(button.dataset.mode === mode));
  }
  for (const field of form.querySelectorAll("[data-only]")) {
    field.hidden = field.dataset.only !== mode;
  }
  form.elements.password.autocomplete = mode === "sign-up" ? "new-password" : "current-password";
  submit.textContent = labels[mode];
}

function credentials() {
  const values = Object.fromEntries(inputs().map((input) => [input.name, input.value.trim()]));
  return { ...values, password: form.elements.password.value };
}

/** The inputs that take part in the chosen mode. */
function inputs() {
  return [...form.querySelectorAll("input")].filter((input) => !input.closest("[hidden]"));
}

/** Puts each field's error beside its field, and what is left above the button. */
function show(error) {
  const fields = error instanceof Refusal ? error.fields : [];
  const marked = inputs().filter((input) => {
    const found = fields.find(({ field }) => field === input.name);
    return found && mark(input, found.message);
  });
  if (marked.length > 0) {
    marked[0].focus();
  } else {
    tell(explain(error));
  }
}

function mark(input, message) {
  input.setAttribute("aria-invalid", "true");
  byId(`${input.id}-error`).textContent = sentence(message);
  return true;
}

function clearErrors() {
  tell(null);
  for (const input of form.querySelectorAll("input")) {
    input.removeAttribute("aria-invalid");
    byId(`${input.id}-error`).textContent = "";
  }
}

function tell(text) {
  alert.textContent = text ?? "";
  alert.hidden = !text;
}
