// Reads every .jsonld file of a folder, as it was saved, and writes N-Triples beside.
// node jsonld-all.cjs FOLDER
const jsonld = require("jsonld");
const { readdirSync, readFileSync, writeFileSync } = require("fs");

const folder = process.argv[2];
const fetched = new Map();
const load = jsonld.documentLoaders.node();
const documentLoader = (url) => {
  if (!fetched.has(url)) fetched.set(url, load(url));
  return fetched.get(url);
};

(async () => {
  for (const name of readdirSync(folder).filter((name) => name.endsWith(".jsonld"))) {
    const document = JSON.parse(readFileSync(`${folder}/${name}`, "utf8"));
    const options = { format: "application/n-quads", documentLoader };
    writeFileSync(`${folder}/${name}.nt`, await jsonld.toRDF(document, options));
  }
})();
