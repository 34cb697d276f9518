import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EdgefuseClient } from "../../shared/api/index.ts";
import type { CreateFusionRequest } from "../../shared/api/index.ts";
import type { CheckpointId } from "../../shared/identity.ts";
import { RandomStream } from "../../shared/random/stream.ts";
import { largeCheckpoint } from "../support/checkpoint-files.ts";
import { expectedFusion } from "../support/expected-fusion.ts";
import { startWorker, type WorkerHarness } from "../support/worker-harness.ts";

/** More than one part of the Workflow's multipart upload. */
const ELEMENTS = 2_400_000;
const RANGE = 1_234_567;

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const files = [1, 2, 3].map((seed) => largeCheckpoint(ELEMENTS, seed));
const [a, b, base] = files.map((file) => sha256(file) as CheckpointId) as [CheckpointId, CheckpointId, CheckpointId];
const inputs = [{ checkpoint: a, weight: 3 }, { checkpoint: b }];
const two = [{ checkpoint: a }, { checkpoint: b }];

const RECIPES: readonly CreateFusionRequest["recipe"][] = [
  { method: "linear", inputs, dtype: "BF16" },
  { method: "slerp", inputs: two, parameters: { t: 0.3 } },
  { method: "ties", inputs, base, parameters: { density: 0.4 } },
  { method: "dare-ties", inputs, base, parameters: { density: 0.5, seed: 7 } },
];

describe("one recipe, three paths", () => {
  let inline: WorkerHarness;
  let workflow: WorkerHarness;

  beforeAll(async () => {
    [inline, workflow] = await Promise.all([
      startWorker(),
      startWorker({ vars: { EDGEFUSE_INLINE_BYTES: "1000000" } }),
    ]);
    for (const { url, token } of [inline, workflow]) {
      const client = new EdgefuseClient({ url, token });
      for (const file of files) await client.uploadCheckpoint(file);
    }
  });
  afterAll(() => Promise.all([inline.close(), workflow.close()]));

  it.each(RECIPES.map((recipe) => [recipe.method, recipe] as const))("%s: equal bytes", async (_, recipe) => {
    const expected = await expectedFusion(files, recipe);

    const here = new EdgefuseClient({ url: inline.url, token: inline.token });
    const lazy = await here.createFusion({ recipe, materialize: "lazy" });
    expect(lazy.state).toBe("lazy");
    const assembled = new Uint8Array(expected.length);
    const begins = Int32Array.from({ length: Math.ceil(expected.length / RANGE) }, (__, index) => index * RANGE);
    for (const begin of new RandomStream(1n, "ranges").shuffle(begins)) {
      const range = `bytes=${begin}-${Math.min(begin + RANGE, expected.length) - 1}`;
      const part = await fetch(here.modelUrl(lazy.id, "model.safetensors"), { headers: { range } });
      expect(part.status).toBe(206);
      assembled.set(new Uint8Array(await part.arrayBuffer()), begin);
    }
    expect(sha256(assembled)).toBe(sha256(expected));

    const eager = await here.createFusion({ recipe });
    expect(eager).toMatchObject({ id: lazy.id, state: "succeeded", sha256: sha256(expected) });
    expect(sha256(await here.fetchModel(eager.id))).toBe(sha256(expected));

    const there = new EdgefuseClient({ url: workflow.url, token: workflow.token });
    const begun = await there.createFusion({ recipe });
    expect(begun.state).not.toBe("succeeded"); // it is a Workflow's, not the request's
    const done = await there.waitForFusion(begun.id);
    expect(done).toMatchObject({ id: lazy.id, sha256: sha256(expected) });
    expect(sha256(await there.fetchModel(done.id))).toBe(sha256(expected));
  });
});
