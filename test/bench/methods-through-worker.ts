/**
 * Slerp and TIES against linear over the same files, through workerd and local R2, taking turns in one run. TIES reads
 * its inputs twice, once for statistics; in the service that and the writing dominate, so this is what users wait for.
 */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { createTestHarness } from "wrangler";
import { EdgefuseClient } from "../../shared/api/index.ts";
import type { CreateFusionRequest } from "../../shared/api/index.ts";
import { largeCheckpoint } from "../support/checkpoint-files.ts";
import { seconds, workerConfig } from "./fuse-through-worker.ts";

const ROOT = join(import.meta.dirname, "../..");
const MEBIBYTE = 2 ** 20;
const OBJECT_MEBIBYTES = 32;
const ROUNDS = 5;

/** Prints the median seconds of each method and its median ratio to linear over the same files, round by round. */
export async function benchMethodsThroughWorker(): Promise<void> {
  const token = randomBytes(24).toString("hex");
  const vars = { EDGEFUSE_ADMIN_TOKEN: token, EDGEFUSE_INLINE_BYTES: String(1024 * MEBIBYTE) };
  const harness = createTestHarness({ root: ROOT, workers: [workerConfig(join(ROOT, "wrangler.toml"), vars)] });
  try {
    const { url } = await harness.listen();
    await harness.getWorker().applyD1Migrations("CATALOG");
    const client = new EdgefuseClient({ url, token });
    const ids = [];
    for (const seed of [1, 2, 3]) {
      ids.push((await client.uploadCheckpoint(largeCheckpoint((OBJECT_MEBIBYTES * MEBIBYTE) / 4, seed))).id);
    }
    const [first, second, base] = ids;
    if (first === undefined || second === undefined || base === undefined) throw new Error("three files were uploaded");
    const a = { checkpoint: first };
    // Another weight, another model: an equal recipe would be answered without work.
    const b = (round: number) => ({ checkpoint: second, weight: round + 2 });
    const cases: readonly [name: string, against: string, recipe: (round: number) => CreateFusionRequest["recipe"]][] =
      [
        ["linear, 2 files", "linear, 2 files", (round) => ({ method: "linear", inputs: [a, b(round)] })],
        [
          "linear, 3 files",
          "linear, 3 files",
          (round) => ({ method: "linear", inputs: [a, b(round), { checkpoint: base }] }),
        ],
        [
          "slerp, 2 files",
          "linear, 2 files",
          (round) => ({ method: "slerp", inputs: [a, { checkpoint: second }], parameters: { t: (round + 2) / 10 } }),
        ],
        [
          "ties, 2 files and base",
          "linear, 3 files",
          (round) => ({ method: "ties", inputs: [a, b(round)], base, parameters: { density: 0.5 } }),
        ],
      ];
    const times = new Map<string, number[]>(cases.map(([name]) => [name, []]));
    for (let round = -1; round < ROUNDS; round++) {
      for (const [name, , recipe] of cases) {
        const taken = await seconds(async () => {
          const { state } = await client.createFusion({ recipe: recipe(round) });
          if (state !== "succeeded") throw new Error(`the fusion is ${state}; it should have been made in the request`);
        });
        if (round >= 0) times.get(name)?.push(taken); // round -1 warms up
      }
    }
    for (const [name, against] of cases) {
      const own = times.get(name) ?? [];
      const ratios = own.map((time, round) => time / (times.get(against)?.[round] ?? Number.NaN));
      process.stdout.write(
        `  ${name.padEnd(24)} ${median(own).toFixed(2)} s   ${median(ratios).toFixed(2)} x ${against}\n`,
      );
    }
  } finally {
    await harness.close();
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((x, y) => x - y)[values.length >> 1] ?? Number.NaN;
}
