// Every test, or those whose name matches: node tests/web/all.mjs [PATTERN]. Bounded in time, whatever hangs.

import { setMaxListeners } from "node:events";
import { readdirSync } from "node:fs";
import { run } from "node:test";
import { spec } from "node:test/reporters";

/** Most of their time tests wait: for clocks, for polls, for holds to end. */
const FILES_AT_ONCE = 3;
const ALL_MILLIS_MAX = 300_000;

const here = new URL(".", import.meta.url).pathname;
const files = readdirSync(here).filter((name) => name.endsWith(".test.mjs")).sort().map((name) => here + name);
const only = process.argv[2];
const signal = AbortSignal.timeout(ALL_MILLIS_MAX);
setMaxListeners(files.length + 1, signal);
const tests = run({ files, concurrency: FILES_AT_ONCE, signal, ...(only ? { testNamePatterns: [new RegExp(only)] } : {}) });
tests.on("test:fail", () => { process.exitCode = 1; });
tests.compose(new spec()).pipe(process.stdout);
