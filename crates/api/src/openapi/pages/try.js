// Trying an operation out: its parameters as a form, its request as curl, its answer as it came.

import { code, h } from "./dom.js";
import { token } from "./session.js";

const SHOWN_BYTES_MAX = 200_000;
const REDACTED = "$TOKEN";

/** A form that sends this operation. */
export function tryIt(path, method, operation, parameters, media) {
  const inputs = parameters.filter((parameter) => parameter.name !== "Last-Event-ID").map((parameter) => [parameter, input(parameter)]);
  const body = media && h("textarea", { rows: 8, spellcheck: "false", "aria-label": "Body" });
  if (body) {
    body.value = media.example === undefined ? "{}" : JSON.stringify(media.example, null, 2);
  }
  const streams = Boolean(operation.responses["200"]?.content?.["text/event-stream"]);
  const live = streams && h("input", { type: "checkbox" });
  const answer = h("div.answer", { "aria-live": "polite" });
  let running = null;
  const send = async (event) => {
    event.preventDefault();
    running?.abort();
    running = new AbortController();
    const request = compose(path, method, inputs, body, media, live?.checked);
    try {
      await show(request, answer, running.signal);
    } catch (error) {
      if (error.name !== "AbortError") {
        answer.replaceChildren(h("p.wrong", {}, `No answer: ${error.message}`));
      }
    }
  };
  const stop = () => running?.abort();
  return h(
    "form.try",
    { onsubmit: send },
    inputs.length > 0 && h("div.inputs", {}, inputs.map(([parameter, element]) => h("label", {}, h("span", {}, parameter.name, parameter.required && h("span.required", {}, "*")), element))),
    body && h("label.body", {}, h("span", {}, "Body"), body),
    h("div.row", {}, h("button.primary", {}, "Send"), live && h("label.check", {}, live, "Live"), live && h("button", { type: "button", onclick: stop }, "Stop")),
    answer,
  );
}

function input(parameter) {
  const schema = parameter.schema ?? {};
  if (schema.type === "boolean") {
    return h("select", { "data-name": parameter.name }, ["", "true", "false"].map((value) => h("option", { value }, value)));
  }
  const type = schema.type === "integer" ? "number" : "text";
  const hint = parameter.example ?? schema.default ?? "";
  return h("input", { type, required: parameter.required, placeholder: String(hint), title: parameter.description, autocomplete: "off", spellcheck: "false" });
}

function compose(path, method, inputs, body, media, live) {
  const query = new URLSearchParams();
  const headers = {};
  let place = path;
  for (const [parameter, element] of inputs.filter(([, element]) => element.value !== "")) {
    if (parameter.in === "path") {
      place = place.replace(`{${parameter.name}}`, encodeURIComponent(element.value));
    } else if (parameter.in === "query") {
      query.set(parameter.name, element.value);
    } else {
      headers[parameter.name] = element.value;
    }
  }
  if (body) {
    headers["Content-Type"] = media.type;
  }
  if (live) {
    headers.Accept = "text/event-stream";
  }
  if (token()) {
    headers.Authorization = `Bearer ${token()}`;
  }
  const search = query.size ? `?${query}` : "";
  return { url: place + search, method: method.toUpperCase(), headers, body: body?.value };
}

function curl({ url, method, headers, body }) {
  const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const lines = Object.entries(headers).map(([name, value]) => `-H ${quote(`${name}: ${name === "Authorization" ? `Bearer ${REDACTED}` : value}`)}`);
  const parts = [`curl -X ${method} ${quote(location.origin + url)}`, ...lines];
  if (body) {
    parts.push(`-d ${quote(body)}`);
  }
  return parts.join(" \\\n  ").replace(`'Authorization: Bearer ${REDACTED}'`, `"Authorization: Bearer ${REDACTED}"`);
}

async function show(request, answer, signal) {
  const asked = h("details", {}, h("summary", {}, "As curl"), h("pre", {}, h("code", {}, curl(request))));
  answer.replaceChildren(asked, h("p.quiet", {}, "Waiting …"));
  const started = performance.now();
  const response = await fetch(request.url, { ...request, signal });
  const took = Math.round(performance.now() - started);
  const kind = response.ok ? "ok" : "refused";
  const status = h("p.line", {}, h(`span.status.${kind}`, {}, String(response.status)), ` ${response.statusText} · ${took} ms`);
  const headers = h("details", {}, h("summary", {}, "Headers"), h("pre", {}, h("code", {}, [...response.headers].map(([name, value]) => `${name}: ${value}`).join("\n"))));
  answer.replaceChildren(asked, status, headers);
  if (response.headers.get("Content-Type") === "text/event-stream") {
    return stream(response.body, answer);
  }
  const text = await response.text();
  answer.append(text ? code(pretty(text.slice(0, SHOWN_BYTES_MAX))) : h("p.quiet", {}, "No body"));
}

async function stream(body, answer) {
  const out = h("code", {});
  answer.append(h("pre.events", {}, out));
  for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
    out.textContent = (out.textContent + chunk).slice(-SHOWN_BYTES_MAX);
    out.parentElement.scrollTop = out.parentElement.scrollHeight;
  }
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
