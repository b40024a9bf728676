// Reads every .jsonld file of a folder as if fetched from a service, and writes N-Triples beside.
// node jsonld-all.cjs FOLDER BASE; the first line of FOLDER/paths is the path of 0.jsonld.
const jsonld = require("jsonld");
const { readFileSync, writeFileSync } = require("fs");

const [folder, base] = process.argv.slice(2);
const fetched = new Map();
const load = jsonld.documentLoaders.node();
const documentLoader = (url) => {
  if (!fetched.has(url)) fetched.set(url, load(url));
  return fetched.get(url);
};

(async () => {
  const paths = readFileSync(`${folder}/paths`, "utf8").trim().split("\n");
  for (const [n, path] of paths.entries()) {
    const document = JSON.parse(readFileSync(`${folder}/${n}.jsonld`, "utf8"));
    const options = { format: "application/n-quads", base: base + path, documentLoader };
    writeFileSync(`${folder}/${n}.jsonld.nt`, await jsonld.toRDF(document, options));
  }
})();
