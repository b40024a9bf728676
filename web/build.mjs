// Puts what the pages load into src/essgraph/service/static/built, from the packages of the lockfile.
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync, existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { createRequire } from "node:module";
import { geoNaturalEarth1, geoPath } from "d3-geo";
import { feature, mesh } from "topojson-client";

const here = dirname(fileURLToPath(import.meta.url));
const modules = join(here, "node_modules");
const out = join(here, "..", "src", "essgraph", "service", "static", "built");
const require = createRequire(import.meta.url);
const countries = require("i18n-iso-countries");

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });

// Typefaces: the Latin subset holds all of French and English.
for (const file of [
  "source-sans-3/files/source-sans-3-latin-wght-normal.woff2",
  "source-serif-4/files/source-serif-4-latin-wght-normal.woff2",
  "source-serif-4/files/source-serif-4-latin-wght-italic.woff2",
]) {
  cpSync(join(modules, "@fontsource-variable", file), join(out, file.split("/").at(-1)));
}

// The editor.
cpSync(join(modules, "@zazuko/yasqe/build/yasqe.min.js"), join(out, "yasqe.js"));
cpSync(join(modules, "@zazuko/yasqe/build/yasqe.min.css"), join(out, "yasqe.css"));

// The shapes: Natural Earth 1:110m in the projection that pictures.py repeats for points.
const SCALE = 200;
const projection = geoNaturalEarth1().scale(SCALE).translate([0, 0]).precision(0.5);
const path = geoPath(projection).digits(1);
const world = JSON.parse(readFileSync(join(modules, "world-atlas/countries-110m.json"), "utf8"));
const shapes = feature(world, world.objects.countries)
  .features.filter((shape) => shape.properties.name !== "Antarctica")
  .map((shape) => ({ code: countries.numericToAlpha2(shape.id) ?? "", d: path(shape) }));
const borders = path(mesh(world, world.objects.countries, (a, b) => a !== b));
const probe = [[2.35, 48.85], [126.98, 37.57], [55.45, -20.88]].map((p) => [...p, ...projection(p)]);
writeFileSync(join(out, "world.json"), JSON.stringify({ scale: SCALE, shapes, borders, probe }));

// The licences of all that is delivered.
const delivered = [
  "@fontsource-variable/source-sans-3", "@fontsource-variable/source-serif-4", "@zazuko/yasqe",
  "codemirror", "lodash-es", "dompurify", "query-string", "store", "world-atlas",
];
const texts = delivered.map((name) => {
  const folder = join(modules, name);
  const { version, license, homepage } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const file = readdirSync(folder).find((entry) => /^licen[cs]e(\.|$)/i.test(entry));
  const text = file ? readFileSync(join(folder, file), "utf8").trim() : `Licence: ${license}`;
  return `${name} ${version} (${license})${homepage ? `\n${homepage}` : ""}\n\n${text}\n`;
});
writeFileSync(join(out, "LICENCES.txt"), texts.join(`\n${"=".repeat(78)}\n\n`));
if (!existsSync(join(out, "world.json"))) process.exit(1);
