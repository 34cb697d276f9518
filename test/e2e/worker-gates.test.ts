import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { AliasDescription } from "../../shared/api/aliases.ts";
import type { FusionDescription } from "../../shared/api/fusions.ts";
import type { GateDescription } from "../../shared/api/gates.ts";
import { EdgefuseClient } from "../../shared/api/index.ts";
import type { CreatedToken, Scope } from "../../shared/api/tokens.ts";
import type { CheckpointId } from "../../shared/identity.ts";
import { jsonOf } from "../support/conformance-world.ts";
import { checkpointOf, near, type Network, permuted, TEACHER, teacherShard } from "../support/permuted-networks.ts";
import { startWorker, type WorkerHarness } from "../support/worker-harness.ts";

let worker: WorkerHarness;
let client: EdgefuseClient;
let teacher: CheckpointId;
/** The same function as the teacher, but its average with it is not. */
let twin: CheckpointId;
let seeds = 100;

const upload = async (network: Network) => (await client.uploadCheckpoint(checkpointOf(network))).id;
/** A checkpoint that averages well with the teacher, and that no other test has. */
const neighbour = () => upload(near(TEACHER, ++seeds, 0.05));
const stranger = async () => upload(permuted(near(TEACHER, ++seeds, 0.01)));
const recipeOf = (...checkpoints: CheckpointId[]) => ({
  method: "linear",
  inputs: checkpoints.map((checkpoint) => ({ checkpoint })),
});
const gate = { accuracyBarrier: { max: 0.03 }, dataset: "teacher" };

const tokenOf = async (...scopes: Scope[]) =>
  ((await (await worker.fetch("/v1/tokens", jsonOf("POST", { name: "test", scopes }))).json()) as CreatedToken).token;
const fuse = (body: object, headers: Record<string, string> = {}) =>
  worker.fetch("/v1/fusions", jsonOf("POST", body, headers));
const anonymously = (path: string) => fetch(new URL(path, worker.url));
const modelPath = (id: string) => `/models/${id}/model.safetensors`;
const aliasAt = async (name: string) => (await (await worker.fetch(`/v1/aliases/${name}`)).json()) as AliasDescription;

beforeAll(async () => {
  worker = await startWorker({ vars: { EDGEFUSE_STALL_SECONDS: "2" } });
  client = new EdgefuseClient({ url: worker.url, token: worker.token });
  const shards = [await client.uploadShard(teacherShard(150, 1)), await client.uploadShard(teacherShard(50, 2))];
  await client.putDataset("teacher", { shards: shards.map(({ id }) => id) });
  teacher = await upload(TEACHER);
  twin = await upload(permuted(TEACHER));
});
afterAll(() => worker.close());

describe("a fusion with a gate", () => {
  it("is published where the parents are in one valley, and its alias moves", async () => {
    const response = await fuse({ recipe: recipeOf(teacher, await neighbour()), gate, alias: "good" });
    const fusion = (await response.json()) as FusionDescription;
    expect([response.status, fusion.state, fusion.visibility]).toEqual([201, "succeeded", "public"]);
    expect(fusion.gate).toMatchObject({ state: "passed", reasons: [], dataset: "teacher", version: 1 });
    expect(fusion.gate?.limits).toEqual({ accuracyBarrier: { max: 0.03 } });
    expect(fusion.gate?.measured?.parents).toHaveLength(2);
    expect(fusion.gate?.measured?.samples).toBe(200);
    expect((await anonymously(modelPath(fusion.id))).status).toBe(200);
    expect(await aliasAt("good")).toMatchObject({ model: fusion.id, version: 1 });
    // The parents' probe is the one that anyone would ask for.
    const [a, b] = fusion.gate?.measured?.parents.map(({ id }) => id) ?? [];
    const probe = await worker.fetch("/v1/probes", jsonOf("POST", { a, b, dataset: "teacher" }));
    expect([probe.status, ((await probe.json()) as { id: string }).id]).toEqual([200, fusion.gate?.probe]);
  });

  it("stays private where there is a barrier; the alias stays, and who asks again gets the same verdict", async () => {
    const before = await client.createFusion({ recipe: recipeOf(await neighbour()) });
    await worker.fetch("/v1/aliases/untouched", jsonOf("PUT", { model: before.id }));
    const body = { recipe: recipeOf(teacher, twin), gate, alias: "untouched" };
    const response = await fuse(body);
    const problem = (await response.json()) as Record<string, unknown> & { measured: GateDescription["measured"] };
    expect(problem).toMatchObject({ status: 409, code: "gate-refused", limits: { accuracyBarrier: { max: 0.03 } } });
    expect(response.status).toBe(409);
    expect(problem.measured?.accuracyBarrier).toBeGreaterThan(0.03);
    expect(problem.measured?.parents.map(({ accuracy }) => accuracy)).toEqual([1, 1]);
    expect(problem["reasons"]).toEqual([expect.stringContaining("The accuracy barrier is")]);
    const model = String(problem["model"]);
    expect((await anonymously(modelPath(model))).status).toBe(404);
    expect((await worker.fetch(modelPath(model))).status).toBe(200);
    expect(await aliasAt("untouched")).toMatchObject({ model: before.id, version: 1 });

    const again = await fuse(body);
    const { requestId: _first, ...verdict } = problem;
    const { requestId: _second, ...repeated } = (await again.json()) as Record<string, unknown>;
    expect(repeated).toEqual(verdict);
    const described = (await (await worker.fetch(`/v1/fusions/${model}`)).json()) as FusionDescription;
    expect(described).toMatchObject({ state: "succeeded", visibility: "private", gate: { state: "refused" } });
    const manifest = (await (await worker.fetch(`/models/${model}/manifest.json`)).json()) as { gate: GateDescription };
    expect(manifest.gate).toEqual(described.gate);
    expect(await (await worker.fetch(`/v1/gates/${described.gate?.id}`)).json()).toEqual(described.gate);

    // Asking without the gate, or to publish it, does not get round it; a gate that it passes does.
    const plain = await fuse({ recipe: body.recipe });
    expect([plain.status, ((await plain.json()) as FusionDescription).visibility]).toEqual([200, "private"]);
    const forced = await fuse({ recipe: body.recipe, visibility: "public" });
    expect([forced.status, ((await forced.json()) as { code: string }).code]).toEqual([409, "gate-required"]);
    const lax = await fuse({ recipe: body.recipe, gate: { accuracyBarrier: { max: 1 }, dataset: "teacher" } });
    expect([lax.status, ((await lax.json()) as FusionDescription).visibility]).toEqual([200, "public"]);
    expect((await anonymously(modelPath(model))).status).toBe(200);
    const published = (await (await anonymously(`/models/${model}/manifest.json`)).json()) as { gate: GateDescription };
    expect(published.gate.state).toBe("passed");
  });

  it("has the manifest's digest right after the verdict went into it", async () => {
    const fusion = await client.createFusion({ recipe: recipeOf(teacher, await neighbour()), gate });
    const response = await anonymously(`/models/${fusion.id}/manifest.json`);
    const bytes = new Uint8Array(await response.arrayBuffer());
    const digest = Buffer.from(await crypto.subtle.digest("SHA-256", bytes)).toString("base64");
    expect(response.headers.get("repr-digest")).toBe(`sha-256=:${digest}:`);
    expect((JSON.parse(new TextDecoder().decode(bytes)) as { gate: GateDescription }).gate.state).toBe("passed");
  });

  it("judges drop, loss and several models, each limit with its reason", async () => {
    const limits = { accuracyDrop: { max: -1 }, lossBarrier: { max: -5 } };
    const response = await fuse({
      recipe: recipeOf(teacher, twin, await neighbour()),
      gate: { ...limits, dataset: "teacher" },
    });
    const problem = (await response.json()) as { reasons: string[]; measured: GateDescription["measured"] };
    expect([response.status, problem.reasons.length]).toEqual([409, 2]);
    const measured = problem.measured;
    const mean = (measured?.parents ?? []).reduce((sum, { accuracy }) => sum + (accuracy ?? 0), 0) / 3;
    expect(measured?.path).toBeNull();
    expect(measured?.accuracyBarrier).toBeCloseTo(mean - (measured?.model.accuracy ?? 0), 12);
    expect(measured?.accuracyDrop).toBeCloseTo(1 - (measured?.model.accuracy ?? 0), 12);
  });

  it("is decided by Workflows where it is too much for a request, with the same result", async () => {
    const recipe = recipeOf(teacher, await stranger());
    const body = { recipe, gate, alias: "later" };
    const refused = await fuse(body, { prefer: "respond-async" });
    const pending = (await refused.json()) as FusionDescription;
    expect([refused.status, pending.gate?.state]).toEqual([202, "pending"]);
    expect((await anonymously(modelPath(pending.id))).status).toBe(404);
    const verdict = await fuse(body, { prefer: "respond-async, wait=30" });
    expect([verdict.status, ((await verdict.json()) as { code: string }).code]).toEqual([409, "gate-refused"]);
    expect((await worker.fetch("/v1/aliases/later")).status).toBe(404);

    const good = { recipe: recipeOf(teacher, await neighbour()), gate, alias: "later" };
    const accepted = await fuse(good, { prefer: "respond-async, wait=30" });
    const fusion = (await accepted.json()) as FusionDescription;
    expect([accepted.status, fusion.gate?.state, fusion.visibility]).toEqual([201, "passed", "public"]);
    // The verdict comes first, and the alias right after.
    await expect.poll(async () => (await worker.fetch("/v1/aliases/later")).status, { timeout: 10_000 }).toBe(200);
    expect((await aliasAt("later")).model).toBe(fusion.id);
  });

  it("is made and published by Workflows once more after it was deleted", async () => {
    const body = { recipe: recipeOf(teacher, await neighbour()), gate };
    const prefer = "respond-async, wait=30";
    const first = await fuse(body, { prefer });
    const { id, visibility } = (await first.json()) as FusionDescription;
    expect([first.status, visibility]).toEqual([201, "public"]);
    expect((await worker.fetch(`/v1/models/${id}`, { method: "DELETE" })).status).toBe(204);
    const second = await fuse(body, { prefer });
    expect([second.status, await second.json()]).toEqual([
      201,
      expect.objectContaining({ id, state: "succeeded", visibility: "public" }),
    ]);
  });

  it("is refused by Workflows where its data was deleted before the verdict", async () => {
    const { shards } = await client.describeDataset("teacher");
    await client.putDataset("short-lived", { shards });
    const over = { ...gate, dataset: "short-lived", points: 3 };
    const fusion = await client.createFusion({ recipe: recipeOf(teacher, await neighbour()), gate: over });
    // As if it had been killed before the verdict.
    const { CATALOG } = worker.environment;
    await CATALOG.prepare("UPDATE gates SET state = 'pending', decided_at = NULL, updated_at = ? WHERE model = ?")
      .bind("2026-01-01T00:00:00.000Z", fusion.id)
      .run();
    expect((await worker.fetch("/v1/datasets/short-lived", { method: "DELETE" })).status).toBe(204);
    const looked = await worker.fetch(`/v1/gates/${fusion.gate?.id}`, { headers: { prefer: "wait=30" } });
    expect(await looked.json()).toMatchObject({
      state: "refused",
      reasons: [expect.stringContaining("There is no dataset short-lived")],
    });
  });

  it("goes on by itself where whoever decided it died", async () => {
    const model = await client.createFusion({ recipe: recipeOf(teacher, await neighbour()) });
    const { CATALOG } = worker.environment;
    const recipe = recipeOf(teacher, await neighbour());
    const fusion = await client.createFusion({ recipe, gate: { ...gate, points: 5 } });
    // As if it had been killed before the verdict.
    await CATALOG.prepare("UPDATE gates SET state = 'pending', decided_at = NULL, updated_at = ? WHERE model = ?")
      .bind("2026-01-01T00:00:00.000Z", fusion.id)
      .run();
    const looked = await worker.fetch(`/v1/fusions/${fusion.id}`, { headers: { prefer: "wait=30" } });
    expect(await looked.json()).toMatchObject({ gate: { state: "passed" } });
    expect(model.gate).toBeNull();
  });

  it("refuses what makes no sense, and nothing is stored then", async () => {
    const recipe = recipeOf(teacher, await neighbour());
    const other = await client.uploadCheckpoint(checkpointOf(TEACHER).slice());
    expect(other.id).toBe(teacher);
    const unknown = (await client.uploadCheckpoint(await unknownArchitecture())).id;
    const before = await worker.snapshot();
    const cases: [object, number, string][] = [
      [{ recipe, gate: { dataset: "teacher" } }, 400, "malformed-request"],
      [{ recipe, gate: { ...gate, dataset: "nowhere" } }, 404, "dataset-not-found"],
      [{ recipe, gate: { ...gate, version: 9 } }, 404, "dataset-not-found"],
      [{ recipe, gate, materialize: "lazy" }, 400, "malformed-request"],
      [{ recipe: recipeOf(unknown, teacher), gate }, 422, "unknown-architecture"],
    ];
    for (const [body, status, code] of cases) {
      const response = await fuse(body);
      expect([response.status, ((await response.json()) as { code: string }).code]).toEqual([status, code]);
    }
    expect(await worker.snapshot()).toBe(before);
  });

  it("takes the scope publish to move an alias, and to publish what someone made private", async () => {
    const authorization = `Bearer ${await tokenOf("fuse")}`;
    const recipe = recipeOf(teacher, await neighbour());
    const withAlias = await fuse({ recipe, gate, alias: "mine" }, { authorization });
    expect([withAlias.status, ((await withAlias.json()) as { code: string }).code]).toEqual([
      403,
      "insufficient-scope",
    ]);
    await client.createFusion({ recipe, visibility: "private" });
    const hidden = await fuse({ recipe, gate }, { authorization });
    expect([hidden.status, ((await hidden.json()) as FusionDescription).visibility]).toEqual([200, "private"]);
    const published = await fuse({ recipe, gate, visibility: "public" }, { authorization });
    expect([published.status, ((await published.json()) as { code: string }).code]).toEqual([
      403,
      "insufficient-scope",
    ]);
    const fresh = await fuse({ recipe: recipeOf(teacher, await neighbour()), gate }, { authorization });
    expect([fresh.status, ((await fresh.json()) as FusionDescription).visibility]).toEqual([201, "public"]);
  });
});

describe("a protected alias with a gate", () => {
  const put = (name: string, body: object, headers: Record<string, string> = {}) =>
    worker.fetch(`/v1/aliases/${name}`, jsonOf("PUT", body, headers));

  it("moves to what passes it, and to nothing else", async () => {
    const first = await client.createFusion({ recipe: recipeOf(await neighbour()) });
    const made = await put("stable", { model: first.id, gate });
    expect([made.status, await made.json()]).toEqual([
      201,
      expect.objectContaining({ protected: true, gate: expect.objectContaining(gate), version: 1 }),
    ]);
    const bad = await client.createFusion({ recipe: recipeOf(teacher, await stranger()) });
    const refused = await put("stable", { model: bad.id }, { "if-match": '"v1"' });
    expect([refused.status, await refused.json()]).toEqual([409, expect.objectContaining({ code: "gate-refused" })]);
    expect(await aliasAt("stable")).toMatchObject({ model: first.id, version: 1 });
    const good = await client.createFusion({ recipe: recipeOf(teacher, await neighbour()) });
    const moved = await put("stable", { model: good.id }, { "if-match": '"v1"' });
    expect([moved.status, await moved.json()]).toEqual([
      200,
      expect.objectContaining({ model: good.id, version: 2, protected: true, gate: expect.objectContaining(gate) }),
    ]);
  });

  it("is moved by a fusion that passes it, be the fusion's own gate as lax as it may", async () => {
    const first = await client.createFusion({ recipe: recipeOf(await neighbour()) });
    await put("strict", { model: first.id, gate });
    const lax = { accuracyBarrier: { max: 1 }, dataset: "teacher" };
    const refused = await fuse({ recipe: recipeOf(teacher, await stranger()), gate: lax, alias: "strict" });
    expect([refused.status, await refused.json()]).toEqual([409, expect.objectContaining({ code: "gate-refused" })]);
    expect((await aliasAt("strict")).version).toBe(1);
    const moved = await fuse({ recipe: recipeOf(teacher, await neighbour()), alias: "strict" });
    const fusion = (await moved.json()) as FusionDescription;
    expect([moved.status, fusion.gate?.state]).toEqual([201, "passed"]);
    expect(await aliasAt("strict")).toMatchObject({ model: fusion.id, version: 2 });
  });

  it("keeps its gate from all but administrators", async () => {
    const authorization = `Bearer ${await tokenOf("publish", "read")}`;
    const { id: model } = await client.createFusion({ recipe: recipeOf(await neighbour()) });
    await put("kept", { model, gate });
    const condition = { "if-match": "*" };
    const weaker = { model, gate: { ...gate, accuracyBarrier: { max: 1 } } };
    for (const body of [weaker, { model, gate: null }, { model, protected: false }]) {
      expect((await put("kept", body, { ...condition, authorization })).status).toBe(403);
    }
    expect((await put("kept", { model, gate }, { ...condition, authorization })).status).toBe(200);
    const ended = (await (await put("kept", { model, gate: null }, condition)).json()) as AliasDescription;
    expect(ended).toMatchObject({ protected: true, gate: null });
  });

  it("without a gate of its own takes a model that passed any, and goes back without one", async () => {
    const first = await client.createFusion({ recipe: recipeOf(await neighbour()) });
    await put("plain", { model: first.id, protected: true });
    const other = { recipe: recipeOf(teacher, await neighbour()) };
    const ungated = await fuse({ ...other, alias: "plain" });
    expect([ungated.status, await ungated.json()]).toEqual([409, expect.objectContaining({ code: "gate-required" })]);
    const passed = await fuse({ ...other, gate, alias: "plain" });
    expect([passed.status, (await aliasAt("plain")).version]).toEqual([201, 2]);
    const back = await worker.fetch("/v1/aliases/plain/rollback", jsonOf("POST", {}, { "if-match": '"v2"' }));
    expect([back.status, await back.json()]).toEqual([200, expect.objectContaining({ model: first.id, version: 3 })]);
  });
});

async function unknownArchitecture(): Promise<Uint8Array<ArrayBuffer>> {
  const { decodeSafetensors, encodeSafetensors } = await import("../../shared/safetensors/index.ts");
  const { header, bytes } = decodeSafetensors(checkpointOf(TEACHER));
  return encodeSafetensors(
    new Map(
      header.tensors.map((tensor) => [tensor.name, { ...tensor, shape: [...tensor.shape], data: bytes(tensor) }]),
    ),
    {},
  );
}
