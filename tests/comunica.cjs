// Asks a query of the sources given and writes the solutions as JSON. As on Comunica's command
// line, sparql@ before an address says that it is an endpoint.
const { QueryEngine } = require("@comunica/query-sparql");

async function main(query, ...addresses) {
  const sources = addresses.map((address) =>
    address.startsWith("sparql@") ? { type: "sparql", value: address.slice(7) } : address
  );
  const solutions = await (await new QueryEngine().queryBindings(query, { sources })).toArray();
  const plain = ([name, term]) => [name.value, term.value];
  console.log(JSON.stringify(solutions.map((row) => Object.fromEntries([...row].map(plain)))));
}

main(...process.argv.slice(2));
