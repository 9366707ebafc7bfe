import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { gzipSync } from "node:zlib";

const LIMIT = 3 * 1024;
const FOLDER = new URL("../../../transports/page/clients/", import.meta.url);
const CLIENTS = ["websocket.js", "sse.js", "sse-fetch.js", "fetchstream.js", "polls.js"];

const read = (name) => readFile(new URL(name, FOLDER), "utf8");
const zipped = (text) => gzipSync(text, { level: 9 }).length;
const bare = (text) => text.replace(/^\s*(\/\*\*|\/\/).*$/gm, "").replace(/ \/\/ .*$/gm, "");

for (const name of ["room-client.js", ...CLIENTS]) {
  test(`${name} is under 3 KiB gzipped as it is served`, async () => {
    assert.ok(zipped(await read(name)) < LIMIT, `${zipped(await read(name))} bytes`);
  });
}

for (const name of CLIENTS) {
  test(`${name} is under 3 KiB gzipped with all it imports, comments aside`, async () => {
    const source = await read(name);
    const imported = [...source.matchAll(/from "\.\/(.+?)"/g)].map(([, path]) => path);
    assert.deepEqual(imported, ["room-client.js"], "a client needs its own file and the base, nothing else");
    const all = bare(source) + bare(await read("room-client.js"));
    assert.ok(zipped(all) < LIMIT, `${zipped(all)} bytes`);
  });
}
