import { openAdapter } from "./dawn.ts";
import { NoGpu } from "./no-gpu.ts";
import type { ProbeAnswer } from "./probe-adapter.ts";

/** Entry of the probing process: opens an adapter and prints what it is. Its argument: whether software counts. */
async function answer(): Promise<ProbeAnswer> {
  try {
    return { adapter: (await openAdapter({ allowSoftware: process.argv[2] === "true" })).description };
  } catch (error) {
    if (error instanceof NoGpu) return { reason: error.reason };
    throw error;
  }
}

process.stdout.write(JSON.stringify(await answer()));
