import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EdgefuseClient, type FusionDescription } from "../../shared/api/index.ts";
import { encodeShard } from "../../shared/evaluation/shard.ts";
import { f32Checkpoint, linearModel } from "../support/checkpoint-files.ts";
import { startWorker, type WorkerHarness } from "../support/worker-harness.ts";

let worker: WorkerHarness;
let client: EdgefuseClient;
let a: string;
let b: string;
let plain: string;
let shard: string;

beforeAll(async () => {
  worker = await startWorker();
  client = new EdgefuseClient({ url: worker.url, token: worker.token });
  a = (await client.uploadCheckpoint(linearModel([1, 2, 3, 4, 5, 6, 7, 8], [1, 2]))).id;
  b = (await client.uploadCheckpoint(linearModel([8, 7, 6, 5, 4, 3, 2, 1], [0, 1]))).id;
  plain = (await client.uploadCheckpoint(f32Checkpoint({ w: [1] }))).id;
  const samples = { count: 2, inputShape: [2, 2], x: new Float32Array(8).fill(0.5), y: new Int32Array([0, 1]) };
  shard = (await client.uploadShard(encodeShard({ ...samples, scale: 1, offset: 0 }))).id;
});
afterAll(() => worker.close());

const post = (path: string, body: object, headers: Record<string, string> = {}) =>
  worker.fetch(path, {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "content-type": "application/json", ...headers },
  });
const recipe = (weight: number) => ({
  recipe: { method: "linear", inputs: [{ checkpoint: a, weight }, { checkpoint: b }] },
});
const field = (response: Response, name: string) => response.headers.get(name);

describe("a fusion", () => {
  it("is made in the background for who prefers that, and is the same model", async () => {
    const accepted = await post("/v1/fusions", recipe(2), { prefer: "respond-async" });
    const { id, state } = (await accepted.json()) as FusionDescription;
    expect([accepted.status, state]).toEqual([202, expect.stringMatching(/^(queued|running)$/)]);
    expect(field(accepted, "location")).toBe(`/v1/fusions/${id}`);
    expect(field(accepted, "retry-after")).toBe("1");
    expect(field(accepted, "preference-applied")).toBe("respond-async");

    const done = await worker.fetch(field(accepted, "location") ?? "", { headers: { prefer: "wait=50" } });
    expect(field(done, "preference-applied")).toBe("wait=50");
    expect(field(done, "retry-after")).toBeNull();
    const fusion = (await done.json()) as FusionDescription;
    expect(fusion).toMatchObject({ id, state: "succeeded" });

    const other = await startWorker();
    try {
      const there = new EdgefuseClient({ url: other.url, token: other.token });
      await there.uploadCheckpoint(linearModel([1, 2, 3, 4, 5, 6, 7, 8], [1, 2]));
      await there.uploadCheckpoint(linearModel([8, 7, 6, 5, 4, 3, 2, 1], [0, 1]));
      expect((await there.createFusion(recipe(2) as never)).sha256).toBe(fusion.sha256);
    } finally {
      await other.close();
    }
  });

  it("is waited for by who prefers that", async () => {
    const made = await post("/v1/fusions", recipe(3), { prefer: "respond-async, wait=50" });
    const fusion = (await made.json()) as FusionDescription;
    expect([made.status, fusion.state]).toEqual([201, "succeeded"]);
    expect(field(made, "location")).toBe(`/models/${fusion.id}/model.safetensors`);
    expect(field(made, "preference-applied")).toBe("respond-async, wait=50");
  });

  it("tells its events to their end, and 204 to who has seen it", async () => {
    const { id } = (await (await post("/v1/fusions", recipe(4))).json()) as FusionDescription;
    const first = await worker.fetch(`/v1/fusions/${id}/events`);
    expect(field(first, "cache-control")).toBe("no-store, no-transform");
    const last = /^id: (.*)$/m.exec(await first.text())?.[1] ?? "";
    expect(last).toMatch(/^succeeded-/);
    const again = await worker.fetch(`/v1/fusions/${id}/events`, { headers: { "last-event-id": last } });
    expect([again.status, await again.text()]).toEqual([204, ""]);
  });
});

describe("a probe", () => {
  const question = (points: number, more: object = {}) => ({ a, b, shards: [shard], points, ...more });

  it("is answered in the background for who prefers that, with the same answer", async () => {
    const accepted = await post("/v1/probes", question(3), { prefer: "respond-async" });
    const pending = (await accepted.json()) as { id: string };
    expect(accepted.status).toBe(202);
    expect(pending).toMatchObject({ state: "running", links: { self: `/v1/probes/${pending.id}` } });
    expect([field(accepted, "location"), field(accepted, "retry-after")]).toEqual([`/v1/probes/${pending.id}`, "1"]);

    const answered = await worker.fetch(`/v1/probes/${pending.id}`, { headers: { prefer: "wait=50" } });
    const probe = (await answered.json()) as { id: string; points: unknown[] };
    expect([answered.status, probe.id, probe.points.length]).toEqual([200, pending.id, 3]);
    const known = await post("/v1/probes", question(3));
    expect([known.status, await known.json()]).toEqual([200, probe]);
    expect((await worker.fetch(`/v1/probes/${pending.id}/barrier.svg`)).status).toBe(200);
  });

  it("is waited for by who prefers that", async () => {
    const made = await post("/v1/probes", question(4), { prefer: "wait=50" });
    expect([made.status, ((await made.json()) as { points: unknown[] }).points.length]).toEqual([201, 4]);
    expect(field(made, "preference-applied")).toBe("wait=50");
  });

  it("that cannot be answered says why, each time it is asked", async () => {
    const samples = { count: 1, inputShape: [2, 2], x: new Float32Array(4), scale: 1, offset: 0 };
    const beyond = (await client.uploadShard(encodeShard({ ...samples, y: new Int32Array([7]) }))).id;
    for (let round = 0; round < 2; round++) {
      const refused = await post("/v1/probes", question(5, { shards: [shard, beyond] }), { prefer: "wait=50" });
      expect([refused.status, await refused.json()]).toEqual([
        422,
        expect.objectContaining({ code: "incompatible-dataset" }),
      ]);
      const look = await worker.fetch(field(refused, "location") ?? "/v1/probes/none");
      expect([look.status, await look.json()]).toEqual([
        422,
        expect.objectContaining({ code: "incompatible-dataset" }),
      ]);
    }
  });

  it("whose models cannot be evaluated is refused at once, and nothing is stored", async () => {
    const before = await worker.snapshot();
    const refused = await post("/v1/probes", question(5, { b: plain }), { prefer: "respond-async" });
    expect([refused.status, await refused.json()]).toEqual([
      422,
      expect.objectContaining({ code: "unknown-architecture" }),
    ]);
    expect((await worker.fetch(field(refused, "location") ?? "/v1/probes/none")).status).toBe(404);
    expect(await worker.snapshot()).toBe(before);
  });

  it("that nobody asked for is not found, however long one would wait", async () => {
    const response = await worker.fetch(`/v1/probes/${"0".repeat(64)}`, { headers: { prefer: "wait=50" } });
    expect([response.status, await response.json()]).toEqual([
      404,
      expect.objectContaining({ code: "probe-not-found" }),
    ]);
  });
});

describe("a request", () => {
  it("with an idempotency key is answered once, tokens included, and the catalog holds no copy of them", async () => {
    const ask = () =>
      post("/v1/tokens", { name: "ci", scopes: ["read"] }, { "idempotency-key": "one", "x-request-id": "my-request" });
    const [first, second] = [await ask(), await ask()];
    const token = (await first.json()) as { token: string };
    expect([first.status, second.status, await second.json()]).toEqual([201, 201, token]);
    expect([field(first, "idempotency-replayed"), field(second, "idempotency-replayed")]).toEqual([null, "true"]);
    const page = (await (await worker.fetch("/v1/tokens")).json()) as { items: unknown[] };
    expect(page.items).toHaveLength(1);
    const { results } = await worker.environment.CATALOG.prepare("SELECT * FROM idempotency").all();
    expect(results).toHaveLength(1);
    expect(JSON.stringify(results)).not.toContain(token.token);
    const conflict = await post("/v1/tokens", { name: "ci", scopes: ["admin"] }, { "idempotency-key": "one" });
    expect([conflict.status, await conflict.json()]).toEqual([
      422,
      expect.objectContaining({ code: "idempotency-conflict" }),
    ]);
    // And the log has a line about each, and no secret.
    expect(worker.logs()).toContain("my-request");
    expect(worker.logs()).not.toContain(token.token);
    expect(worker.logs()).not.toContain(worker.token);
  });
});
