import { randomBytes } from "node:crypto";
import { appendFile, readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { cleanUp } from "./clean-up.ts";
import { runStep, STATE } from "./run-step.ts";
import type { ActionWorld } from "./world.ts";

const interruption = new AbortController();
// The runner asks with SIGINT, and with SIGTERM 7.5 s later; some send SIGHUP. None may end us before the job is told.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => interruption.abort());

const world: ActionWorld = {
  environment: process.env,
  fetch: (input, init) => fetch(input, init),
  now: Date.now,
  wait: (milliseconds, signal) => sleep(milliseconds, undefined, { ...(signal && { signal }) }).catch(() => undefined),
  randomText: () => randomBytes(16).toString("hex"),
  write: (text) => process.stdout.write(text),
  appendFile: (path, text) => appendFile(path, text),
  readFile: (path) => readFile(path, "utf8"),
  interrupted: interruption.signal,
};

// The runner calls one file twice: for the step, and again when the job is over.
process.exitCode = await (process.env[`STATE_${STATE.begun}`] === "true" ? cleanUp(world) : runStep(world));
