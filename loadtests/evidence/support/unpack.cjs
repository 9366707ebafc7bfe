/* Print, as JSON, what caniuse-lite packs: usage and release dates of every version, and the support of some features.
   node unpack.cjs FOLDER FEATURE…   The package's own unpacker is used: its packing changes, its interface does not. */
"use strict";
const { agents, feature, features } = require(process.argv[2]);
const asked = process.argv.slice(3);
const unknown = asked.filter((name) => !(name in features));
if (unknown.length) throw new Error(`caniuse-lite has no feature ${unknown.join(", ")}`);
const browsers = Object.fromEntries(
  Object.entries(agents).map(([name, { usage_global: usage, release_date: released }]) => [name, { usage, released }]),
);
const stats = Object.fromEntries(asked.map((name) => [name, feature(features[name]).stats]));
process.stdout.write(JSON.stringify({ browsers, stats }));
