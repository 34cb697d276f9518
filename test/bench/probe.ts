/**
 * A probe of eleven points between two convolutional networks of 122 570 parameters on 2000 images of 32 x 32 x 3: in the
 * worker over HTTP, as a request of its own and through a Workflow; on the same core in this process; and PyTorch's
 * forward pass on one core. All evaluate as many images.
 */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { createTestHarness } from "wrangler";
import { EdgefuseClient } from "../../shared/api/index.ts";
import { mixtureOf } from "../../shared/evaluation/mixture.ts";
import { evaluateGrid } from "../../shared/evaluation/probe.ts";
import type { ShardId } from "../../shared/identity.ts";
import { planMemory, tallyBytes } from "../../worker/probing/memory.ts";
import { wasmEngine } from "../support/wasm-engine.ts";
import { workerConfig } from "./fuse-through-worker.ts";
import { cpuSeconds } from "./cpu-seconds.ts";
import { checkpointOf, probeCase, type ProbeCase, shardFile } from "./probe-case.ts";
import { PytorchProcess } from "./pytorch-process.ts";

const ROOT = join(import.meta.dirname, "../..");
const MEBIBYTE = 2 ** 20;
const BUDGET_BYTES = 64 * MEBIBYTE;
const MOST_SECONDS = 15;
const MOST_BYTES = 100 * MEBIBYTE;
const BATCH = 64;
const ROUNDS = 3;

/** Seconds of a round: on the wall, and of CPU time where the system tells. */
interface Round {
  readonly wall: number;
  readonly cpu: number | undefined;
}

async function timed(work: () => Promise<void>): Promise<Round> {
  const [start, used] = [performance.now(), await cpuSeconds()];
  await work();
  const [end, usedThen] = [performance.now(), await cpuSeconds()];
  return {
    wall: (end - start) / 1000,
    cpu: used === undefined || usedThen === undefined ? undefined : usedThen - used,
  };
}

/** A worker under the harness, with a deployment's limits. @param inlineOperations of EDGEFUSE_INLINE_PROBE_OPERATIONS */
async function probeThroughWorker(given: ProbeCase, inlineOperations: string | undefined): Promise<Round[]> {
  const token = randomBytes(24).toString("hex");
  const vars = {
    EDGEFUSE_ADMIN_TOKEN: token,
    ...(inlineOperations === undefined ? {} : { EDGEFUSE_INLINE_PROBE_OPERATIONS: inlineOperations }),
  };
  const harness = createTestHarness({ root: ROOT, workers: [workerConfig(join(ROOT, "wrangler.toml"), vars)] });
  try {
    const { url } = await harness.listen();
    await harness.getWorker().applyD1Migrations("CATALOG");
    const client = new EdgefuseClient({ url, token });
    const [a, b] = given.ends.map((weights) => client.uploadCheckpoint(checkpointOf(given.architecture, weights)));
    const models = { a: (await a)?.id ?? "", b: (await b)?.id ?? "" };
    const shards: ShardId[] = [];
    for (const shard of given.shards) shards.push((await client.uploadShard(shardFile(shard))).id);
    const headers = { authorization: `Bearer ${token}` };
    const rounds: Round[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      let made = "";
      rounds.push(
        await timed(async () => {
          const { id, points } = await client.probes.create({ ...models, shards, points: given.grid.points.length });
          if (points.length !== given.grid.points.length) throw new Error("the probe has not all its points");
          made = id;
        }),
      );
      // Otherwise the next one is answered from the store.
      await fetch(new URL(`/v1/probes/${made}`, url), { method: "DELETE", headers });
    }
    return rounds;
  } finally {
    await harness.close();
  }
}

async function probeHere({ architecture, ends, shards, grid }: ProbeCase): Promise<Round[]> {
  const rounds: Round[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const work = async () => {
      const mixture = mixtureOf(architecture, ends);
      for (const shard of shards) evaluateGrid(mixture, grid, shard, { batch: BATCH });
      mixture.dispose();
    };
    rounds.push(await timed(work));
  }
  return rounds;
}

/** @returns undefined where PyTorch is not installed */
async function passThroughPytorch({ passes, grid }: ProbeCase): Promise<{ rounds: Round[]; note: string } | undefined> {
  const points = grid.points.length;
  const pytorch = await PytorchProcess.start("pytorch-probe.py", [String(BATCH), String(passes / points)]);
  if (pytorch === undefined) return undefined;
  try {
    const rounds: Round[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const work = async () => {
        for (let point = 0; point < points; point++) await pytorch.run("");
      };
      rounds.push(await timed(work));
    }
    return { rounds, note: pytorch.note };
  } finally {
    pytorch.stop();
  }
}

/** Prints the figures. @throws Error where a probe takes more than 15 s, or more than 100 MB of the byte budget */
export async function benchProbe(): Promise<void> {
  const { heap } = await wasmEngine();
  const given = probeCase();
  const shardBytes = Math.max(...given.shards.map((shard) => shardFile(shard).length));
  const mixture = mixtureOf(given.architecture, given.ends);
  const { activationBytesPerSample, operationsPerSample = 0 } = mixture.evaluable;
  mixture.dispose();
  const plan = planMemory(
    {
      endpoints: 2,
      weights: 4 * given.parameters,
      file: 4 * given.parameters,
      shards: shardBytes,
      tallies: tallyBytes(given.passes / given.grid.points.length, 2),
      calibration: 0,
      activations: activationBytesPerSample,
    },
    BUDGET_BYTES,
  );
  process.stdout.write(
    `  ${given.parameters} parameters, ${given.passes} forward passes of ${(operationsPerSample / 1e6).toFixed(1)} MFLOP\n` +
      `  planned peak ${mebibytes(plan.peak)} at batch ${plan.batch}, of a budget of ${mebibytes(BUDGET_BYTES)}\n`,
  );
  const report = (what: string, rounds: readonly Round[], note = ""): number => {
    const best = Math.min(...rounds.map(({ wall, cpu }) => cpu ?? wall));
    const list = rounds.map(({ wall, cpu }) => `${wall.toFixed(1)} (${cpu?.toFixed(1) ?? "?"})`).join("  ");
    const rate = given.passes / best;
    const speed = ((rate * operationsPerSample) / 1e9).toFixed(1);
    process.stdout.write(
      `  ${what.padEnd(28)}${list.padEnd(40)}${rate.toFixed(0).padStart(6)} images/s  ${speed} GFLOP/s ${note}\n`,
    );
    return best;
  };
  process.stdout.write(`  seconds on the wall, in brackets of CPU; speeds by the best round's CPU time\n`);
  report("Node, tfjs-wasm", await probeHere(given));
  const pytorch = await passThroughPytorch(given);
  if (pytorch === undefined) process.stdout.write("  PyTorch is not installed\n");
  else report("PyTorch, one core", pytorch.rounds, pytorch.note);
  const inline = report("worker, within the request", await probeThroughWorker(given, "1e15"));
  const workflow = report("worker, as it is deployed", await probeThroughWorker(given, undefined));
  process.stdout.write(
    `  tfjs's heap in this process ${mebibytes(heap.memory.buffer.byteLength)}; a probe may take ${MOST_SECONDS} s\n`,
  );
  if (!(plan.peak <= MOST_BYTES)) throw new Error(`a probe takes ${mebibytes(plan.peak)}`);
  const slowest = Math.max(inline, workflow);
  if (!(slowest <= MOST_SECONDS)) throw new Error(`a probe takes ${slowest.toFixed(1)} s`);
}

const mebibytes = (bytes: number) => `${(bytes / MEBIBYTE).toFixed(1)} MiB`;
