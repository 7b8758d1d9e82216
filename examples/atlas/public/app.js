/** What shows: the map, the list beside it, the card of what was picked, and the lists of who is signed in. */

import { list, quoted, request, signIn, signOut } from "./api.js";
import { WorldMap } from "./map.js";

const PAGE = 30;
const LOADED_AT_ONCE = 500;
const TYPING_MS = 150;

const $ = (id) => document.getElementById(id);
const number = new Intl.NumberFormat("en");

const countries = new Map();
const visits = new Map();
let user = null;
/** What the list is about. */
let asked = { query: "", continent: "", country: null };
/** Where the list goes on; a symbol of its own for each question, so that a late answer to another is dropped. */
let next = null;
let question = null;

const map = new WorldMap($("map"), { onPick: showCity, onHover: hover });

function element(name, { text, className, ...properties } = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  if (text !== undefined) {
    made.textContent = text;
  }
  if (className) {
    made.className = className;
  }
  made.append(...children);
  return made;
}

function hover(city, x, y) {
  $("hover").hidden = !city;
  if (city) {
    const country = countries.get(city.country);
    $("hover").textContent = `${city.name}, ${country?.name}: ${number.format(city.population)}`;
    $("hover").style.left = `${x + 14}px`;
    $("hover").style.top = `${y + 14}px`;
  }
}

/** All cities, the largest first, a page at a time: what is drawn meanwhile is already the world. */
async function loadMap() {
  const began = performance.now();
  let [cursor, count, requests] = [null, 0, 0];
  do {
    const page = await list("cities", {
      sort: "-population",
      fields: "id,name,country,latitude,longitude,population",
      limit: LOADED_AT_ONCE,
      cursor,
    });
    map.add(page.items);
    cursor = page.next;
    count += page.items.length;
    requests += 1;
    $("loading").textContent = `${number.format(count)} cities`;
  } while (cursor);
  const seconds = (performance.now() - began) / 1000;
  $("loading").textContent = `${number.format(count)} cities, in ${requests} requests and ${seconds.toFixed(1)} s`;
}

async function loadCountries() {
  const page = await list("countries", { limit: LOADED_AT_ONCE, sort: "name" });
  page.items.forEach((country) => countries.set(country.id, country));
}

/** The question as a filter in CEL. */
function filter({ query, continent, country }) {
  const parts = [];
  if (query) {
    parts.push(`name.startsWith(${quoted(query)})`);
  }
  if (country) {
    parts.push(`country == ${quoted(country)}`);
  } else if (continent) {
    parts.push(`country.continent == ${quoted(continent)}`);
  }
  return parts.join(" && ");
}

async function ask(changes) {
  asked = { ...asked, ...changes };
  next = null;
  const country = countries.get(asked.country);
  const where = country?.name ?? $("continent").selectedOptions[0].text;
  $("list-title").textContent = asked.query ? `“${asked.query}…”` : `The largest cities: ${where}`;
  await fill(true);
}

async function fill(anew) {
  const mine = Symbol("question");
  question = mine;
  const began = performance.now();
  const page = await list("cities", {
    filter: filter(asked),
    sort: "-population",
    expand: "country,state",
    fields: "id,name,latitude,longitude,population,country.id,country.name,country.code,state.name",
    limit: PAGE,
    cursor: next,
  });
  if (question !== mine) {
    return;
  }
  $("timing").textContent = `The list took ${(performance.now() - began).toFixed(0)} ms, with its countries and states.`;
  next = page.next;
  if (anew) {
    $("cities").replaceChildren();
  }
  $("cities").append(...page.items.map(row));
  $("more").hidden = !next;
  $("nothing").hidden = page.items.length > 0 || !anew;
}

function row(city) {
  const button = element(
    "button",
    { type: "button", onclick: () => showCity({ ...city, country: city.country.id }, true) },
    element("span", { className: "code", text: city.country.code }),
    element("span", { className: "name", text: city.name }),
    element("span", { className: "population", text: number.format(city.population) }),
    element("span", { className: "where", text: [city.state?.name, city.country.name].filter(Boolean).join(", ") }),
  );
  return element("li", {}, button);
}

function facts(pairs) {
  const shown = pairs.filter(([, value]) => value);
  return element("dl", {}, ...shown.flatMap(([name, value]) => [element("dt", { text: name }), element("dd", { text: value })]));
}

function close(label, act) {
  const button = element("button", { type: "button", className: "close", text: "×", onclick: act });
  button.setAttribute("aria-label", label);
  return button;
}

function showCity(city, fly = false) {
  const country = countries.get(city.country);
  map.select(city.id);
  if (fly) {
    map.flyTo(city.longitude, city.latitude, Math.max(map.zoom, 6));
  }
  const card = $("city");
  card.hidden = false;
  card.replaceChildren(
    close("Close the city", hideCity),
    element("h2", { text: city.name }),
    facts([
      ["Country", `${country.flag} ${country.name}`],
      ["People", number.format(city.population)],
      ["Place", `${degrees(city.latitude, "N", "S")}, ${degrees(city.longitude, "E", "W")}`],
    ]),
    element(
      "div",
      { className: "row" },
      element("button", { type: "button", text: country.name, onclick: () => showCountry(city.country) }),
      ...(user ? [plan(city, "BEEN", "Been there"), plan(city, "WISH", "Want to go")] : []),
    ),
  );
  card.scrollIntoView({ block: "nearest" });
}

function hideCity() {
  $("city").hidden = true;
  map.select(null);
}

function degrees(value, positive, negative) {
  return `${Math.abs(value).toFixed(2)}° ${value < 0 ? negative : positive}`;
}

async function showCountry(id) {
  const country = countries.get(id);
  const counted = await list("cities", { filter: `country == ${quoted(id)}`, count: true, limit: 1, fields: "id" });
  const languages = new Intl.DisplayNames("en", { type: "language" });
  const card = $("country");
  card.hidden = false;
  card.replaceChildren(
    close("Close the country", hideCountry),
    element("h2", { text: country.name }),
    facts([
      ["Flag", country.flag],
      ["Called", country.native === country.name ? null : country.native],
      ["Capital", country.capital],
      ["Languages", country.languages.map((code) => languages.of(code)).join(", ")],
      ["Currencies", country.currencies.join(", ")],
      ["Cities here", number.format(counted.total)],
    ]),
  );
  location.hash = country.code;
  map.emphasise((city) => city.country === id);
  map.fit(map.cities.filter((city) => city.country === id));
  await ask({ country: id, query: "" });
  $("query").value = "";
}

async function hideCountry() {
  $("country").hidden = true;
  history.replaceState(null, "", location.pathname);
  emphasiseContinent();
  map.whole();
  await ask({ country: null });
}

function emphasiseContinent() {
  const { continent } = asked;
  map.emphasise(continent && ((city) => countries.get(city.country)?.continent === continent));
}

/** A button that puts the city on one of the lists, or takes it off. */
function plan(city, kind, label) {
  const visit = visits.get(city.id);
  const button = element("button", { type: "button", text: label });
  button.setAttribute("aria-pressed", String(visit?.plan === kind));
  button.onclick = async () => {
    if (visit?.plan === kind) {
      await request("DELETE", `/api/visits/${visit.id}`);
      visits.delete(city.id);
    } else if (visit) {
      visits.set(city.id, await request("PATCH", `/api/visits/${visit.id}`, { plan: kind }));
    } else {
      visits.set(city.id, await request("POST", "/api/visits", { city: city.id, plan: kind }));
    }
    showVisits();
    showCity(city);
  };
  return button;
}

function showVisits() {
  map.mark(new Map([...visits.values()].map((visit) => [visit.city, visit.plan])));
}

async function loadVisits() {
  visits.clear();
  if (user) {
    const page = await list("visits", { filter: `owner == ${quoted(user.id)}`, limit: LOADED_AT_ONCE });
    page.items.forEach((visit) => visits.set(visit.city, visit));
  }
  showVisits();
}

function watch() {
  let typing;
  $("query").addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => ask({ query: $("query").value.trim() }), TYPING_MS);
  });
  $("search").addEventListener("submit", (event) => event.preventDefault());
  $("continent").addEventListener("change", async () => {
    $("country").hidden = true;
    await ask({ continent: $("continent").value, country: null });
    emphasiseContinent();
    map.fit(asked.continent ? map.cities.filter(map.isShown) : []);
    if (!asked.continent) {
      map.whole();
    }
  });
  $("more").addEventListener("click", () => fill(false));
  $("zoom-in").addEventListener("click", () => map.zoomBy(1.8));
  $("zoom-out").addEventListener("click", () => map.zoomBy(1 / 1.8));
  $("zoom-all").addEventListener("click", () => map.whole());
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && document.activeElement !== $("query")) {
      event.preventDefault();
      $("query").focus();
    }
  });
  $("account").addEventListener("click", async () => {
    if (!user) {
      $("sign-in").showModal();
      return;
    }
    signOut();
    user = null;
    $("account").textContent = "Sign in";
    hideCity();
    await loadVisits();
  });
  $("sign-in-cancel").addEventListener("click", () => $("sign-in").close());
  $("sign-in-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    try {
      user = await signIn(form.get("email"), form.get("password"));
    } catch (error) {
      $("sign-in-alert").textContent = error.message;
      return;
    }
    $("sign-in-alert").textContent = "";
    $("account").textContent = `Sign out ${user.name}`;
    $("sign-in").close();
    await loadVisits();
  });
}

watch();
await loadCountries();
const loading = loadMap();
await ask({});
const linked = [...countries.values()].find((country) => country.code === location.hash.slice(1));
if (linked) {
  await loading;
  await showCountry(linked.id);
}
