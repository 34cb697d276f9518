import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EdgefuseClient } from "../../shared/api/index.ts";
import type { MeanProbe, PathProbe, PendingProbe, PlaneProbe, ProbeDescription } from "../../shared/api/probes.ts";
import { encodeShard } from "../../shared/evaluation/shard.ts";
import type { ShardId } from "../../shared/identity.ts";
import { largeCheckpoint, linearModel } from "../support/checkpoint-files.ts";
import { startWorker, type WorkerHarness } from "../support/worker-harness.ts";

let worker: WorkerHarness;
let client: EdgefuseClient;
let models: string[];

/** Kernels [4, 2] and biases [2] of three models. */
const MODELS = [
  { kernel: [0.5, -1, 2, 0.25, -0.5, 1, 1.5, -2], bias: [0.5, -0.5] },
  { kernel: [-2, 1.5, 0.5, -1, 1, 2, -0.25, 0.75], bias: [-1, 0.25] },
  { kernel: [1, 1, -1, 0.5, 0.25, -2, -0.5, 1], bias: [0, 0.75] },
] as const;
const COUNT = 10;
const X = Array.from({ length: COUNT * 4 }, (_, index) => Math.sin(1.7 * index + 0.3));
const Y = Array.from({ length: COUNT }, (_, index) => (index * 7) % 2);
/** Ways to cut ten samples. */
const CUTS = { one: [10], three: [3, 3, 4], ten: Array.from({ length: 10 }, () => 1), uneven: [1, 7, 2] } as const;

const samples = (from: number, to: number) =>
  encodeShard({
    count: to - from,
    inputShape: [2, 2],
    x: new Float32Array(X.slice(4 * from, 4 * to)),
    y: new Int32Array(Y.slice(from, to)),
    scale: 1,
    offset: 0,
  });

async function upload(cut: readonly number[]): Promise<ShardId[]> {
  const ids: ShardId[] = [];
  let at = 0;
  for (const count of cut) ids.push((await client.uploadShard(samples(at, (at += count)))).id);
  return ids;
}

/** The mixture of the models in float64, written out. */
function oracle(coefficients: readonly number[]): { loss: number; accuracy: number; classes: (number | null)[] } {
  const mix = (of: (model: (typeof MODELS)[number]) => number) =>
    coefficients.reduce((sum, c, index) => sum + c * of(MODELS[index] ?? MODELS[0]), 0);
  let loss = 0;
  const right = [0, 0];
  for (let row = 0; row < COUNT; row++) {
    const logits = [0, 1].map((k) =>
      [0, 1, 2, 3].reduce(
        (sum, i) => sum + Math.fround(X[4 * row + i] ?? 0) * mix(({ kernel }) => kernel[2 * i + k] ?? 0),
        mix(({ bias }) => bias[k] ?? 0),
      ),
    );
    const label = Y[row] ?? 0;
    loss += Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0)) - (logits[label] ?? 0);
    if (logits.indexOf(Math.max(...logits)) === label) right[label] = (right[label] ?? 0) + 1;
  }
  const counts = [0, 1].map((k) => Y.filter((label) => label === k).length);
  return {
    loss: loss / COUNT,
    accuracy: right.reduce((sum, one) => sum + one, 0) / COUNT,
    classes: right.map((correct, k) => correct / (counts[k] ?? 1)),
  };
}

function expectPoint(found: { loss: number; accuracy: number | null } | undefined, coefficients: readonly number[]) {
  const expected = oracle(coefficients);
  expect(found?.accuracy).toBe(expected.accuracy);
  expect(Math.abs((found?.loss ?? 0) / expected.loss - 1)).toBeLessThan(1e-5);
}

const ask = (question: object, headers: Record<string, string> = {}) =>
  worker.fetch("/v1/probes", {
    method: "POST",
    body: JSON.stringify(question),
    headers: { "content-type": "application/json", ...headers },
  });

/** Answered within the request or, where that is too much for one, in the background. */
async function answered<Kind extends ProbeDescription = PathProbe>(question: object): Promise<Kind> {
  const response = await ask(question);
  const answer = (await response.json()) as ProbeDescription | PendingProbe;
  if (response.status === 202) return (await client.probes.wait(answer.id)) as Kind;
  expect([response.status, answer]).toEqual([201, expect.anything()]);
  return answer as Kind;
}

beforeAll(async () => {
  // Two models on ten samples are little work; more is a Workflow's.
  worker = await startWorker({
    vars: { EDGEFUSE_INLINE_PROBE_OPERATIONS: "4500", EDGEFUSE_MEMORY_BUDGET_BYTES: String(16 * 2 ** 20) },
  });
  client = new EdgefuseClient({ url: worker.url, token: worker.token });
  models = [];
  for (const { kernel, bias } of MODELS) {
    models.push((await client.uploadCheckpoint(linearModel(kernel, bias))).id);
  }
});
afterAll(() => worker.close());

describe("probes of every kind", () => {
  it("come to the same however the samples are sharded, inline or not", async () => {
    const [a, b] = models;
    const probes: PathProbe[] = [];
    const statuses = new Set<number>();
    for (const cut of Object.values(CUTS)) {
      const question = { a, b, shards: await upload(cut), alphas: [0, 0.1, 0.5, 0.8, 1] };
      const response = await ask(question);
      statuses.add(response.status);
      const answer = (await response.json()) as PathProbe | PendingProbe;
      probes.push("state" in answer ? ((await client.probes.wait(answer.id)) as PathProbe) : answer);
    }
    const [first, ...others] = probes;
    for (const point of first?.points ?? []) expectPoint(point, [1 - point.alpha, point.alpha]);
    for (const other of others) {
      expect(other.samples).toBe(COUNT);
      expect(other.classCounts).toEqual(first?.classCounts);
      for (const [index, point] of other.points.entries()) {
        const same = first?.points[index];
        expect([point.accuracy, point.classes, point.accuracyGap]).toEqual([
          same?.accuracy,
          same?.classes,
          same?.accuracyGap,
        ]);
        expect(Math.abs(point.loss - (same?.loss ?? 0))).toBeLessThan(1e-6);
      }
      expect(other.accuracyBarrier).toBe(first?.accuracyBarrier);
    }
    expect(first?.points[0]?.classes).toEqual(oracle([1, 0]).classes);
    // Five points on ten samples are more than a request does.
    expect([...statuses]).toEqual([202]);
    const little = await ask({ a, b, shards: await upload(CUTS.one), points: 2 });
    expect(little.status).toBe(201);
    const inline = (await little.json()) as PathProbe;
    expect(inline.points.map(({ loss }) => loss)).toEqual([first?.points[0]?.loss, first?.points.at(-1)?.loss]);
  });

  it("measure a mean and each pair", async () => {
    const shards = await upload(CUTS.three);
    const probe = await answered<MeanProbe>({ kind: "mean", models, shards, pairwise: true });
    expect(probe).toMatchObject({ kind: "mean", models, shards, samples: COUNT, task: "classification" });
    const corners = [0, 1, 2].map((own) => [0, 1, 2].map((index) => (index === own ? 1 : 0)));
    corners.forEach((corner, index) => expectPoint(probe.members[index], corner));
    expectPoint(probe.mean, [1 / 3, 1 / 3, 1 / 3]);
    const mean = (of: "loss" | "accuracy") => corners.reduce((sum, corner) => sum + oracle(corner)[of], 0) / 3;
    expect(probe.lossBarrier).toBeCloseTo(oracle([1 / 3, 1 / 3, 1 / 3]).loss - mean("loss"), 5);
    expect(probe.accuracyBarrier).toBeCloseTo(mean("accuracy") - oracle([1 / 3, 1 / 3, 1 / 3]).accuracy, 9);
    expect(probe.pairs?.map(({ a, b }) => [a, b])).toEqual([
      [0, 1],
      [0, 2],
      [1, 2],
    ]);
    expectPoint(probe.pairs?.[2]?.points[1], [0, 0.5, 0.5]);
    const { items } = (await (await worker.fetch("/v1/probes?kind=mean")).json()) as { items: object[] };
    expect(items).toEqual([expect.objectContaining({ id: probe.id, kind: "mean", models })]);
    // What a probe measured stays as long as the probe.
    const refused = await worker.fetch(`/v1/checkpoints/${models[1]}`, { method: "DELETE" });
    expect([refused.status, await refused.json()]).toEqual([409, expect.objectContaining({ code: "still-needed" })]);
  });

  it("measure a plane, and say how far they are meanwhile", async () => {
    const shards = await upload(CUTS.ten);
    const question = { kind: "plane", models, shards, resolution: 3, margin: 0.5 };
    const response = await ask(question, { prefer: "respond-async" });
    const pending = (await response.json()) as PendingProbe;
    expect(response.status).toBe(202);
    expect(pending).toMatchObject({ state: "running", progress: { shards: 10 } });
    let partial: PendingProbe = pending;
    for (;;) {
      const look = await worker.fetch(`/v1/probes/${pending.id}`);
      const seen = (await look.json()) as ProbeDescription | PendingProbe;
      if (!("state" in seen)) break;
      expect(look.headers.get("cache-control")).toBe("no-store");
      expect(seen.progress.shardsDone).toBeGreaterThanOrEqual(partial.progress.shardsDone);
      expect(seen.partial === null ? 0 : seen.partial.samples).toBe(seen.progress.shardsDone);
      partial = seen;
    }
    const probe = (await client.probes.get(pending.id)) as PlaneProbe;
    expect([probe.u, probe.v]).toEqual([
      [-0.5, 0.5, 1.5],
      [-0.5, 0.5, 1.5],
    ]);
    probe.v.forEach((v, row) =>
      probe.u.forEach((u, column) => {
        const found = { loss: probe.loss[row]?.[column] ?? 0, accuracy: probe.accuracy?.[row]?.[column] ?? null };
        expectPoint(found, [1 - u - v, u, v]);
      }),
    );
    expectPoint(probe.members[2], [0, 0, 1]);
    const distance = Math.hypot(
      ...MODELS[0].kernel.map((value, index) => value - (MODELS[1].kernel[index] ?? 0)),
      ...MODELS[0].bias.map((value, index) => value - (MODELS[1].bias[index] ?? 0)),
    );
    expect(probe.positions[0]).toEqual({ x: 0, y: 0 });
    expect(probe.positions[1]?.x).toBeCloseTo(distance, 5);
  });

  it("are refused where an isolate cannot hold them, with the numbers, also in the background", async () => {
    const shards = await upload(CUTS.one);
    const wide = { architecture: "mlp", input: [2, 2], hidden: [2048, 2048], classes: 2 };
    const { id } = await client.uploadCheckpoint(largeCheckpoint(100, 1));
    const before = await worker.snapshot();
    for (const headers of [{}, { prefer: "respond-async" }] as Record<string, string>[]) {
      const response = await ask({ a: id, b: id, shards, as: { architecture: wide } }, headers);
      const problem = (await response.json()) as { neededBytes: number; limitBytes: number };
      expect(problem).toMatchObject({ status: 422, code: "too-large-for-isolate", limitBytes: 16 * 2 ** 20 });
      expect(problem.neededBytes).toBeGreaterThan(problem.limitBytes);
      const misfit = await ask({ a: id, b: id, shards, as: { architecture: { ...wide, hidden: [3] } } }, headers);
      expect([misfit.status, await misfit.json()]).toEqual([
        422,
        expect.objectContaining({ code: "incompatible-weights" }),
      ]);
    }
    expect(await worker.snapshot()).toBe(before);
  });
});
