// Reads JSON-LD on standard input and writes N-Triples.
const jsonld = require("jsonld");
const { readFileSync } = require("fs");

jsonld
  .toRDF(JSON.parse(readFileSync(0, "utf8")), { format: "application/n-quads" })
  .then((lines) => process.stdout.write(lines));
