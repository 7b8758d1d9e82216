// The page: what there is on the left, what it does in the middle.

import { code, h, prose } from "./dom.js";
import { Schemas } from "./schema.js";
import { tryIt } from "./try.js";

const METHODS = ["get", "post", "patch", "put", "delete"];
const nav = document.getElementById("nav");
const main = document.getElementById("main");
const find = document.getElementById("find");

function operations(document_) {
  const schemas = new Schemas(document_);
  return Object.entries(document_.paths).flatMap(([path, item]) =>
    METHODS.filter((method) => item[method]).map((method) => {
      const operation = item[method];
      const parameters = [...(item.parameters ?? []), ...(operation.parameters ?? [])].map((parameter) => schemas.resolve(parameter));
      return { path, method, operation, parameters, tag: operation.tags?.[0] ?? "Other" };
    }),
  );
}

function sidebar(document_, all) {
  const groups = document_.tags.map((tag) => [tag.name, all.filter((one) => one.tag === tag.name)]).filter(([, group]) => group.length);
  nav.replaceChildren(
    ...groups.map(([name, group]) =>
      h("section", {}, h("h2", {}, h("a", { href: `#tag/${name}` }, name)), h("ul", {}, group.map((one) => h("li", { "data-text": `${name} ${one.method} ${one.path} ${one.operation.summary}`.toLowerCase() }, link(one))))),
    ),
  );
}

function link({ method, path, operation }) {
  return h("a", { href: `#${operation.operationId}`, title: operation.summary }, badge(method), h("span.path", {}, path.replace(/^\/(api|auth)\//, "")));
}

const badge = (method) => h(`span.method.${method}`, {}, method === "delete" ? "del" : method);

function article(one, schemas) {
  const { path, method, operation, parameters } = one;
  const content = Object.entries(operation.requestBody?.content ?? {});
  const [type, media] = content[0] ?? [];
  return h(
    "article.operation",
    { id: operation.operationId },
    h("h3", {}, badge(method), " ", h("code.path", {}, path)),
    h("p.summary", {}, operation.summary, "."),
    prose(operation.description),
    parameters.length > 0 && section("Parameters", parameterTable(parameters, schemas)),
    media && section(`Body · ${content.map(([name]) => name).join(" or ")}`, schemas.view(media.schema)),
    section("Answers", answers(operation, schemas)),
    fold("Try it", () => tryIt(path, method, operation, parameters, media && { ...media, type })),
  );
}

const section = (title, ...content) => h("section", {}, h("h4", {}, title), ...content);

/** Made only when it is opened: a page of many operations stays quick. */
function fold(title, make) {
  const details = h("details.fold", {}, h("summary", {}, title));
  details.addEventListener("toggle", () => details.childElementCount === 1 && details.append(make()));
  return details;
}

function parameterTable(parameters, schemas) {
  const row = (parameter) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, h("code", {}, parameter.name), parameter.required && h("span.required", {}, "*"), h("small", {}, parameter.in)),
      h("td", {}, h("code.type", {}, schemas.type(parameter.schema)), schemas.limits(parameter.schema).map((limit) => h("span.limit", {}, limit)), prose(parameter.description)),
    );
  return h("table.members", {}, h("tbody", {}, parameters.map(row)));
}

function answers(operation, schemas) {
  return Object.entries(operation.responses).map(([status, reference]) => {
    const response = schemas.resolve(reference);
    const [first, rest] = (response.description ?? "").split(/\n\n([\s\S]*)/);
    const details = h("details", {}, h("summary", {}, h(`span.status.${status < 400 ? "ok" : "refused"}`, {}, status), " ", prose(first)[0]?.childNodes ? h("span", {}, ...prose(first)[0].childNodes) : ""));
    details.addEventListener("toggle", () => details.childElementCount === 1 && details.append(...answerBody(response, rest, schemas)));
    return details;
  });
}

function answerBody(response, rest, schemas) {
  const headers = Object.keys(response.headers ?? {});
  const bodies = Object.entries(response.content ?? {}).map(([type, media]) => {
    const example = media.example ?? Object.values(media.examples ?? {})[0]?.value;
    return h("div", {}, h("h5", {}, type), example !== undefined && code(example), schemas.view(media.schema));
  });
  return [...prose(rest), headers.length > 0 && h("p.quiet", {}, `Headers: ${headers.join(", ")}`), ...bodies].filter(Boolean);
}

function page(document_) {
  const schemas = new Schemas(document_);
  const all = operations(document_);
  document.title = `${document_.info.title} · API`;
  document.getElementById("title").textContent = document_.info.title;
  sidebar(document_, all);
  const groups = document_.tags.map((tag) => {
    const own = all.filter((one) => one.tag === tag.name);
    return own.length > 0 && h("section.group", { id: `tag/${tag.name}` }, h("h2", {}, tag.name), prose(tag.description), own.map((one) => article(one, schemas)));
  });
  main.replaceChildren(h("h1", {}, document_.info.title), ...prose(document_.info.description), ...groups.filter(Boolean));
  document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
  follow();
}

/** Marks in the list what is being read. */
function follow() {
  const seen = new IntersectionObserver(
    (entries) => {
      for (const entry of entries.filter((entry) => entry.isIntersecting)) {
        nav.querySelector(".here")?.classList.remove("here");
        nav.querySelector(`[href="#${CSS.escape(entry.target.id)}"]`)?.classList.add("here");
      }
    },
    { rootMargin: "-10% 0px -80% 0px" },
  );
  main.querySelectorAll(".operation").forEach((operation) => seen.observe(operation));
}

find.addEventListener("input", () => {
  const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const item of nav.querySelectorAll("li")) {
    item.hidden = !words.every((word) => item.dataset.text.includes(word));
  }
  for (const group of nav.querySelectorAll("section")) {
    group.hidden = !group.querySelector("li:not([hidden])");
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !event.target.closest("input, textarea, select")) {
    event.preventDefault();
    find.focus();
  }
});

try {
  const response = await fetch("/openapi.json");
  page(await response.json());
} catch (error) {
  main.replaceChildren(h("p.wrong", {}, `The document can't be read: ${error.message}`));
}
