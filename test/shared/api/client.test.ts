import { describe, expect, it } from "vitest";
import type { CheckpointId, DatasetName, ModelId, ShardId } from "../../../shared/identity.ts";
import { ApiError } from "../../../shared/api/index.ts";
import { listOf } from "../../support/collect.ts";
import { clientOf, problem } from "../../support/scripted-client.ts";

const page = () => Response.json({ items: [], next: null });

describe("the client", () => {
  it("sends the token, files as bytes and all else as JSON, below the deployment's path", async () => {
    const { client, sent } = clientOf([Response.json({}), Response.json({})], "http://host.example/base/");
    const file = new Uint8Array([1]);
    await client.uploadCheckpoint(file);
    await client.putDataset("a/b", { shards: [] });
    expect(sent.map(({ url, method, body }) => [url, method, body])).toEqual([
      ["http://host.example/base/v1/checkpoints", "POST", file],
      ["http://host.example/base/v1/datasets/a%2Fb", "PUT", '{"shards":[]}'],
    ]);
    expect(sent.map(({ headers }) => headers.get("content-type"))).toEqual([
      "application/octet-stream",
      "application/json",
    ]);
    expect(sent[0]?.headers.get("authorization")).toBe("Bearer t");
  });

  it("throws problems with code, status and particulars", async () => {
    const error = await clientOf([problem(422, "incompatible-inputs")])
      .client.registerCheckpoint("k")
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ApiError);
    expect(error).toMatchObject({
      code: "incompatible-inputs",
      status: 422,
      detail: "why",
      problem: { differences: [1] },
      message: "POST /v1/checkpoints: why",
    });
  });

  it("does not take another server's error page for a problem", async () => {
    const { client } = clientOf([new Response("<html>", { status: 404 })]);
    await expect(client.registerCheckpoint("k")).rejects.toMatchObject({ code: "unexpected-response", status: 404 });
  });

  it("waits as long as a busy deployment asks, but not for ever", async () => {
    const busy = () => problem(503, "over-budget", { "retry-after": "3" });
    const patient = clientOf([busy(), problem(503, "over-budget"), Response.json({ id: "x" })]);
    expect(await patient.client.createProbe({ a: "a", b: "b", dataset: "d" })).toEqual({ id: "x" });
    expect(patient.waits).toEqual([3000, 2000]);
    const endless = clientOf(Array.from({ length: 6 }, busy));
    await expect(endless.client.registerCheckpoint("k")).rejects.toMatchObject({ code: "over-budget" });
    expect(endless.waits).toHaveLength(5);
  });

  it("follows pages to the last", async () => {
    const { client, sent } = clientOf([
      Response.json({ items: [{ id: 1 }, { id: 2 }], next: "7" }),
      Response.json({ items: [{ id: 3 }], next: null }),
    ]);
    const ids = [];
    for await (const { id } of client.listCheckpoints({ limit: 2 })) ids.push(id);
    expect(ids).toEqual([1, 2, 3]);
    expect(sent.map(({ url }) => new URL(url).search)).toEqual(["?limit=2", "?limit=2&cursor=7"]);
  });

  it("asks lists for what is wanted, and leaves out what is not said", async () => {
    const { client, sent } = clientOf([page(), page(), page()]);
    await listOf(client.listModels({ architecture: "mlp", minAccuracy: 0.9, visibility: undefined }));
    await listOf(client.probes.list());
    await listOf(client.aliases.list({ limit: 5 }));
    expect(sent.map(({ path }) => path)).toEqual([
      "/v1/models?architecture=mlp&minAccuracy=0.9",
      "/v1/probes",
      "/v1/aliases?limit=5",
    ]);
  });

  it("says what a file is called, in any script, and which digest it has", async () => {
    const { client, sent } = clientOf([Response.json({}), Response.json({})]);
    await client.uploadCheckpoint(new Uint8Array(1), { name: 'a "b".safetensors', sha256: "00".repeat(31) + "ff" });
    await client.uploadShard(new Uint8Array(1), { name: "größe.safetensors" });
    const [first, second] = sent.map(({ headers }) => headers);
    expect(first?.get("repr-digest")).toBe(
      `sha-256=:${Buffer.from("00".repeat(31) + "ff", "hex").toString("base64")}:`,
    );
    expect(first?.get("content-disposition")).toBe(
      "attachment; filename=\"a _b_.safetensors\"; filename*=UTF-8''a%20%22b%22.safetensors",
    );
    expect(second?.get("content-disposition")).toBe(
      "attachment; filename=\"gr__e.safetensors\"; filename*=UTF-8''gr%C3%B6%C3%9Fe.safetensors",
    );
  });

  it("makes private models, links, and asks for a revision of a name", async () => {
    const { client, sent } = clientOf([Response.json({}), Response.json({}), Response.json({ sha: "x" })]);
    const recipe = { method: "linear", inputs: [] };
    await client.createFusion({ recipe, visibility: "private" });
    await client.createLink("m" as ModelId, { expiresIn: 60 });
    expect(await client.describeRepository("team/digits", "v3")).toEqual({ sha: "x" });
    expect(sent.map(({ method, path, body }) => [method, path, body])).toEqual([
      ["POST", "/v1/fusions", JSON.stringify({ recipe, visibility: "private" })],
      ["POST", "/v1/models/m/links", '{"expiresIn":60}'],
      ["GET", "/api/models/team/digits/revision/v3", undefined],
    ]);
  });

  it("says how long it waits, and waits for what takes longer", async () => {
    const pending = () => Response.json({ id: "p", state: "running" }, { status: 202 });
    const { client, sent, waits } = clientOf([
      Response.json({ state: "running" }, { status: 202 }),
      pending(),
      pending(),
      Response.json({ id: "p", points: [] }),
    ]);
    await client.createFusion({ recipe: { method: "linear", inputs: [] } }, 30);
    const probe = await client.probes.start({ a: "a", b: "b", dataset: "d" });
    expect(await client.probes.wait(probe.id)).toEqual({ id: "p", points: [] });
    expect(sent.map(({ headers }) => headers.get("prefer"))).toEqual([
      "wait=30",
      "respond-async",
      "wait=20",
      "wait=20",
    ]);
    expect(waits).toHaveLength(1);
  });

  it("deletes, and sweeps", async () => {
    const gone = () => new Response(null, { status: 204 });
    const { client, sent } = clientOf([gone(), gone(), gone(), gone(), Response.json({ dryRun: true })]);
    await client.deleteCheckpoint("c" as CheckpointId);
    await client.deleteModel("m" as ModelId);
    await client.deleteShard("s" as ShardId);
    await client.deleteDataset("d" as DatasetName);
    expect(await client.sweep({ dryRun: true })).toEqual({ dryRun: true });
    expect(sent.map(({ method, path }) => `${method} ${path}`)).toEqual([
      "DELETE /v1/checkpoints/c",
      "DELETE /v1/models/m",
      "DELETE /v1/shards/s",
      "DELETE /v1/datasets/d",
      "POST /v1/sweep",
    ]);
  });
});
