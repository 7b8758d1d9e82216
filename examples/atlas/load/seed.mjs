/**
 * `node load/seed.mjs`: writes `seed/` anew, the part of the data that `ninefold dev` begins with: all countries, the
 * cities of half a million people and more, and the states that these are in.
 */

import { writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

import * as published from "./records.mjs";

const POPULATION_MIN = 500_000;
const seed = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../seed");

/** A UUIDv7 that is the same each time: a kind of record, and its number. */
function id(kind, number) {
  return `0199a000-0000-7${kind}00-8000-${number.toString(16).padStart(12, "0")}`;
}

function write(name, records) {
  const lines = records.map((record) => JSON.stringify(record)).join(",\n");
  writeFileSync(path.join(seed, `${name}.json`), `[\n${lines}\n]\n`);
}

const countries = published.countries();
const states = published.states(countries);
const cities = published
  .cities(countries, states)
  .filter((city) => city.population >= POPULATION_MIN)
  .sort((one, other) => other.population - one.population);
const countryIds = new Map(countries.map((country, number) => [country.code, id(1, number)]));
const seeded = new Set(cities.map((city) => city.state?.code));
const stateIds = new Map(states.filter((state) => seeded.has(state.code)).map((state, number) => [state.code, id(2, number)]));
const ada = id(4, 1);

write("countries", countries.map((country) => ({ id: countryIds.get(country.code), ...country })));
write(
  "states",
  states
    .filter((state) => seeded.has(state.code))
    .map((state) => ({ id: stateIds.get(state.code), ...state, country: countryIds.get(state.country.code) })),
);
write(
  "cities",
  cities.map((city, number) => ({
    id: id(3, number),
    ...city,
    country: countryIds.get(city.country.code),
    state: city.state && stateIds.get(city.state.code),
  })),
);
write("users", [{ id: ada, email: "ada@example.com", verified: true, password: "ninefold-example", name: "Ada Okafor" }]);
const visits = [
  ["Lagos", "BEEN", "Home."],
  ["London", "BEEN", "Rain, and the best bookshops."],
  ["Lisbon", "BEEN", "The 28 tram, up and down."],
  ["Tokyo", "WISH", "In April, for the blossom."],
  ["Buenos Aires", "WISH", null],
];
write(
  "visits",
  visits.flatMap(([name, plan, note], number) => {
    const at = cities.findIndex((city) => city.name === name);
    return at < 0 ? [] : [{ id: id(5, number), owner: ada, city: id(3, at), plan, note, shared: plan === "BEEN" }];
  }),
);
