import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ApiError, EdgefuseClient, type UploadDescription } from "../../shared/api/index.ts";
import { checkpointId, datasetName } from "../../shared/identity.ts";
import { f32Checkpoint, largeCheckpoint, linearModel } from "../support/checkpoint-files.ts";
import { listOf } from "../support/collect.ts";
import { startWorker, type WorkerHarness } from "../support/worker-harness.ts";

let worker: WorkerHarness;
let client: EdgefuseClient;

beforeAll(async () => {
  worker = await startWorker();
  client = new EdgefuseClient({ url: worker.url, token: worker.token });
});
afterAll(() => worker.close());

const upload = async (values: readonly number[]) => client.uploadCheckpoint(f32Checkpoint({ w: values }));
const fuse = async (checkpoints: readonly string[], more: object = {}) => {
  const inputs = checkpoints.map((checkpoint) => ({ checkpoint }));
  return client.createFusion({ recipe: { method: "linear", inputs }, ...more });
};

describe("the client, with a worker", () => {
  it("finds what a filter names", async () => {
    const named = await client.uploadCheckpoint(linearModel([1, 2, 3, 4, 5, 6, 7, 8], [0, 1]), {
      name: "größe.safetensors",
    });
    expect(named.name).toMatch(/^gr.*e\.safetensors$/);
    const other = await upload([1, 2]);
    const ids = async (list: AsyncIterable<{ id: string }>) => (await listOf(list)).map(({ id }) => id);
    expect(await ids(client.listCheckpoints({ architecture: "mlp", limit: 1 }))).toEqual([named.id]);
    const fusion = await fuse([other.id, (await upload([3, 4])).id]);
    expect(await ids(client.listModels({ checkpoint: other.id }))).toEqual([fusion.id]);
    expect(await ids(client.listModels({ checkpoint: named.id }))).toEqual([]);
    expect(await ids(client.listFusions({ state: "succeeded" }))).toContain(fusion.id);
    expect(await ids(client.probes.list())).toEqual([]);
    expect(await ids(client.listShards())).toEqual([]);
    expect(await listOf(client.listDatasets())).toEqual([]);
  });

  it("deletes what nothing needs, and is told what does", async () => {
    const [a, b] = [await upload([5, 2]), await upload([6, 2])];
    const fusion = await fuse([a.id, b.id]);
    await client.aliases.put("kept", { model: fusion.id }, "new");
    const refusal: unknown = await client.deleteCheckpoint(a.id).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(ApiError);
    expect(refusal).toMatchObject({ code: "still-needed", status: 409 });
    await expect(client.deleteModel(fusion.id)).rejects.toMatchObject({ code: "still-needed" });
    await client.aliases.delete("kept", { version: 1 });
    await client.deleteModel(fusion.id);
    await client.deleteCheckpoint(a.id);
    await expect(client.describeCheckpoint(a.id)).rejects.toMatchObject({ code: "checkpoint-not-found" });
    await expect(client.deleteDataset(datasetName.parse("none"))).rejects.toMatchObject({ status: 404 });
    const report = await client.sweep();
    expect(report).toMatchObject({ dryRun: true, findings: [] });
  });

  it("uploads in parts, resumes, completes twice and gives up", async () => {
    const bytes = largeCheckpoint(2_500_000, 4);
    const source = { bytes: bytes.length, read: async (begin: number, end: number) => bytes.slice(begin, end) };
    let opened: UploadDescription | undefined;
    const onOpen = (found: UploadDescription) => {
      opened ??= found;
    };
    const failing = {
      ...source,
      read: (begin: number, end: number) => (begin > 0 ? Promise.reject(new Error("gone")) : source.read(begin, end)),
    };
    await expect(client.uploads.send(failing, { kind: "checkpoint" }, { onOpen, parallel: 1 })).rejects.toThrow("gone");
    const { id, parts } = opened ?? (await client.uploads.create({ bytes: 1 }));
    expect(parts).toBe(2);
    const read: number[] = [];
    const watched = { ...source, read: (begin: number, end: number) => (read.push(begin), source.read(begin, end)) };
    const checkpoint = await client.uploads.send(watched, { kind: "checkpoint" }, { resume: id });
    expect(read).toHaveLength(1);
    expect((await client.describeCheckpoint(checkpoint.id)).bytes).toBe(bytes.length);
    expect(await client.uploads.send(source, { kind: "checkpoint" }, { resume: id })).toMatchObject({
      id: checkpoint.id,
    });
    const left = await client.uploads.create({ kind: "checkpoint", bytes: 100 });
    await client.uploads.abort(left.id);
    await expect(client.uploads.get(left.id)).rejects.toMatchObject({ status: 404 });
  });

  it("makes one token of a request whose answer was lost", async () => {
    let isFirst = true;
    const unlucky = new EdgefuseClient({
      url: worker.url,
      token: worker.token,
      fetch: async (input, init) => {
        const response = await fetch(input, init);
        if (!isFirst) return response;
        isFirst = false;
        await response.body?.cancel();
        throw new TypeError("fetch failed", { cause: new Error("reset") });
      },
      wait: () => new Promise((resolve) => setTimeout(resolve, 100)),
    });
    const created = await unlucky.tokens.create({ name: "once", scopes: ["read"] });
    expect(created.token).toMatch(/^ef_/);
    const tokens = await listOf(client.tokens.list(1));
    expect(tokens.filter(({ name }) => name === "once").map(({ id }) => id)).toEqual([created.id]);
    const reader = new EdgefuseClient({ url: worker.url, token: created.token });
    await expect(reader.tokens.list().next()).rejects.toMatchObject({ code: "insufficient-scope" });
    await client.tokens.revoke(created.id);
    await expect(reader.aliases.find("x")).rejects.toMatchObject({ code: "invalid-token" });
  });

  it("opens a private model with a link", async () => {
    const fusion = await fuse([(await upload([7, 7])).id, (await upload([8, 8])).id], { visibility: "private" });
    const anonymous = new EdgefuseClient({ url: worker.url });
    await expect(anonymous.fetchModel(fusion.id)).rejects.toMatchObject({ code: "model-not-found" });
    const { url } = await client.createLink(fusion.id, { expiresIn: 60 });
    expect((await fetch(url)).status).toBe(200);
    expect(await client.describeRepository(`models/${fusion.id}`)).toMatchObject({ sha: fusion.id, private: true });
    const unknown = checkpointId.parse("0".repeat(64));
    await expect(client.describeRepository(`models/${unknown}`)).rejects.toMatchObject({ code: "model-not-found" });
  });
});
