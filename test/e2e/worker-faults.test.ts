import { createHash } from "node:crypto";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EdgefuseClient } from "../../shared/api/index.ts";
import { largeCheckpoint } from "../support/checkpoint-files.ts";
import { startWorker, type WorkerHarness } from "../support/worker-harness.ts";

let worker: WorkerHarness;
let client: EdgefuseClient;

beforeAll(async () => {
  // Small enough that memory which is not given back is missed at once.
  worker = await startWorker({
    vars: { EDGEFUSE_MEMORY_BUDGET_BYTES: String(24 * 2 ** 20), EDGEFUSE_INLINE_BYTES: String(32 * 2 ** 20) },
  });
  client = new EdgefuseClient({ url: worker.url, token: worker.token });
});
afterAll(() => worker.close());

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

/** A line to the worker over which a request's head has been sent. */
function open([line = "", ...more]: readonly string[]): Socket {
  const { hostname, port } = new URL(worker.url);
  const socket = connect(Number(port), hostname);
  // What comes back after the line was cut is nobody's concern.
  socket.on("error", () => undefined);
  const fields = [`host: ${hostname}:${port}`, `authorization: Bearer ${worker.token}`];
  socket.write(`${[line, ...fields, ...more].join("\r\n")}\r\n\r\n`);
  return socket;
}

/** Sends a request with a part of its body, then cuts the line. */
async function sendPart(head: string, body: Uint8Array, sent: number): Promise<void> {
  const socket = open([head, "content-type: application/octet-stream", `content-length: ${body.length}`]);
  await new Promise<void>((resolve) => socket.write(body.subarray(0, sent), () => resolve()));
  await sleep(300);
  socket.destroy();
}

/** Asks for something, reads so many bytes of the answer, then cuts the line. */
async function readPart(path: string, bytes: number): Promise<void> {
  const socket = open([`GET ${path} HTTP/1.1`]);
  let received = 0;
  for await (const chunk of socket) {
    received += (chunk as Buffer).length;
    if (received >= bytes) break;
  }
  socket.destroy();
  expect(received).toBeGreaterThanOrEqual(bytes);
}

/** Waits until the stores are as they were. */
async function settlesTo(before: string): Promise<void> {
  await expect.poll(() => worker.snapshot(), { timeout: 30_000, interval: 200 }).toBe(before);
}

describe("a client that goes away in mid-upload", () => {
  it.each([
    ["a small file", 1_000_000],
    ["a large file", 3_000_000],
  ])("of %s leaves nothing, again and again, and comes through in the end", async (_, elements) => {
    const file = largeCheckpoint(elements, elements);
    const before = await worker.snapshot();
    for (let round = 0; round < 4; round++) {
      await sendPart("POST /v1/checkpoints HTTP/1.1", file, Math.floor((file.length * (round + 1)) / 5));
    }
    await settlesTo(before);
    expect((await client.uploadCheckpoint(file)).id).toBe(sha256(file));
  });

  it("of a part leaves the upload as it was, and sends the part again", async () => {
    const file = largeCheckpoint(2_500_000, 9);
    const begun = await worker.fetch("/v1/uploads", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ kind: "checkpoint", bytes: file.length }),
    });
    const { id, partBytes, parts } = (await begun.json()) as { id: string; partBytes: number; parts: number };
    const part = (number: number) => file.subarray((number - 1) * partBytes, number * partBytes);
    await sendPart(`PUT /v1/uploads/${id}/parts/1 HTTP/1.1`, part(1), 1_000_000);
    const look = async () => (await worker.fetch(`/v1/uploads/${id}`)).json() as Promise<{ received: unknown[] }>;
    expect((await look()).received).toEqual([]);
    for (let number = 1; number <= parts; number++) {
      const sent = await worker.fetch(`/v1/uploads/${id}/parts/${number}`, {
        method: "PUT",
        body: part(number),
        headers: { "content-type": "application/octet-stream" },
      });
      expect(sent.status).toBe(200);
    }
    const done = await worker.fetch(`/v1/uploads/${id}/complete`, { method: "POST" });
    expect([done.status, ((await done.json()) as { id: string }).id]).toEqual([201, sha256(file)]);
  });
});

describe("a client that goes away in mid-download", () => {
  it("of a model, stored or not, takes no memory with it, and reads it all the next time", async () => {
    const inputs = [];
    for (const seed of [21, 22]) {
      inputs.push({ checkpoint: (await client.uploadCheckpoint(largeCheckpoint(3_000_000, seed))).id });
    }
    const recipe = { method: "linear" as const, inputs };
    const { id, bytes, state } = await client.createFusion({ recipe, materialize: "lazy" });
    expect(state).toBe("lazy");
    // Each of these books a quarter of the budget: were it not given back, the fifth would be refused.
    for (let round = 0; round < 6; round++) await readPart(`/models/${id}/model.safetensors`, 1_000_000);
    const whole = await client.fetchModel(id);
    expect(whole.length).toBe(bytes);
    await expect.poll(async () => (await client.describeFusion(id)).state, { timeout: 30_000 }).toBe("succeeded");
    for (let round = 0; round < 6; round++) await readPart(`/models/${id}/model.safetensors`, 1_000_000);
    expect(sha256(await client.fetchModel(id))).toBe((await client.describeFusion(id)).sha256);
    expect(sha256(whole)).toBe((await client.describeFusion(id)).sha256);
  });
});

describe("a fusion in the background that is cancelled", () => {
  it("gives its memory back, however often", async () => {
    const inputs: { checkpoint: string }[] = [];
    for (const seed of [31, 32]) {
      inputs.push({ checkpoint: (await client.uploadCheckpoint(largeCheckpoint(5_000_000, seed))).id });
    }
    const before = await worker.snapshot();
    const recipeOf = (weight: number) => ({
      method: "linear" as const,
      inputs: inputs.map((input, index) => ({ ...input, weight: index === 0 ? weight : 1 })),
      dtype: "F64" as const,
    });
    for (let round = 2; round < 6; round++) {
      const { id } = await client.createFusion({ recipe: recipeOf(round) });
      await expect.poll(async () => (await client.describeFusion(id)).state, { timeout: 30_000 }).toBe("running");
      const cancelled = await worker.fetch(`/v1/fusions/${id}`, { method: "DELETE" });
      expect(cancelled.status).toBe(200);
      expect((await worker.fetch(`/v1/models/${id}`, { method: "DELETE" })).status).toBe(204);
    }
    await settlesTo(before);
    const { id } = await client.createFusion({ recipe: recipeOf(1) });
    await expect.poll(async () => (await client.describeFusion(id)).state, { timeout: 120_000 }).toBe("succeeded");
    expect(sha256(await client.fetchModel(id))).toBe((await client.describeFusion(id)).sha256);
  }, 240_000);
});
