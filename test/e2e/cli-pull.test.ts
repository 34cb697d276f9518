import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Failure } from "../../trainer/failure.ts";
import { f32Checkpoint, largeCheckpoint, linearModel } from "../support/checkpoint-files.ts";
import { cutOff, watchedFetch } from "../support/run-command-line.ts";
import { startWorker, type WorkerHarness } from "../support/worker-harness.ts";
import { digestOf, sha256, Workplace } from "../support/workplace.ts";

let worker: WorkerHarness;
let shards: WorkerHarness;

const place = new Workplace();
const { cli, file, fuseRemotely: fuseTwo } = place;

beforeAll(async () => {
  [worker, shards] = await Promise.all([startWorker(), startWorker({ vars: { EDGEFUSE_SHARD_BYTES: "400" } })]);
});
afterAll(() => Promise.all([worker.close(), shards.close()]));

beforeEach(async () => {
  await place.open(worker);
  return () => place.close();
});

describe("edgefuse pull", () => {
  let id: string;
  let bytes: number;
  let digest: string;
  const large: string[] = [];

  beforeAll(async () => {
    await place.open(worker);
    for (const seed of [2, 3]) large.push(await file(`${seed}.safetensors`, largeCheckpoint(500_000, seed)));
    id = await fuseTwo(large);
    await cli(["alias", "set", "pulls/large", id]);
    const model = new Uint8Array(await (await fetch(`${worker.url}/models/${id}/model.safetensors`)).arrayBuffer());
    [bytes, digest] = [model.length, sha256(model)];
    large.push(place.folder);
  });
  afterAll(() => rm(large.at(-1) ?? "", { recursive: true }));

  it.each([
    ["an alias", () => "pulls/large"],
    ["a version", () => "@pulls/large@v1"],
    ["an id", () => id],
  ])("needs no token for %s of a public model", async (_, what) => {
    const output = join(place.folder, "x.safetensors");
    const { code, json } = await cli(["pull", what(), "-o", output, "--json"], { environment: { EDGEFUSE_TOKEN: "" } });
    expect(code).toBe(0);
    expect(json()).toMatchObject([{ event: "pulled", id, sha256: digest, bytes, kept: 0, verified: true }]);
    expect(await digestOf(output)).toBe(digest);
    expect(await readdir(place.folder)).toEqual(["x.safetensors"]);
  });

  it("pulls checkpoints, with a token", async () => {
    const checkpoint = await digestOf(large[0] ?? "");
    const output = join(place.folder, "x.safetensors");
    expect(await cli(["pull", checkpoint, "-o", output])).toMatchObject({ code: 0, stdout: /verified/ });
    expect(await digestOf(output)).toBe(checkpoint);
    const ended = await cli(["pull", checkpoint, "-o", output], { environment: { EDGEFUSE_TOKEN: "" } });
    expect(ended).toMatchObject({ code: 4, stderr: expect.stringContaining("set EDGEFUSE_TOKEN") });
  });

  it("takes up a connection that breaks where it broke", async () => {
    let cuts = 0;
    const net = watchedFetch(async (line, ask) => {
      const response = await ask();
      return line.startsWith("GET /models/") && cuts++ < 2 ? cutOff(response, 300_000) : response;
    });
    const output = join(place.folder, "x.safetensors");
    expect(await cli(["pull", id, "-o", output], { fetch: net.fetch })).toMatchObject({ code: 0 });
    expect(await digestOf(output)).toBe(digest);
    const ranges = net.requests.filter(({ line }) => line.startsWith("GET /models/")).map(({ headers }) => headers);
    expect(ranges.map((headers) => headers.get("range"))).toEqual([null, "bytes=300000-", "bytes=600000-"]);
    expect(ranges[1]?.get("if-range")).toMatch(/^"/);
  });

  it.each<["interrupted" | "terminated", number]>([
    ["interrupted", 130],
    ["terminated", 75],
  ])("stops in good order when it is %s, and goes on from there", async (kind, exit) => {
    const stop = new AbortController();
    const net = watchedFetch(async (line, ask) => {
      const response = await ask();
      if (!line.startsWith("GET /models/")) return response;
      setTimeout(() => stop.abort(new Failure(kind, "stopped")), 200);
      const slow = new TransformStream<Uint8Array, Uint8Array>({
        async transform(chunk, controller) {
          controller.enqueue(chunk.subarray(0, 1000));
          await new Promise((resolve) => {
            stop.signal.addEventListener("abort", resolve);
          });
          controller.error(stop.signal.reason);
        },
      });
      return new Response(response.body?.pipeThrough(slow) ?? null, response);
    });
    const output = join(place.folder, "x.safetensors");
    const stopped = await cli(["pull", id, "-o", output], { fetch: net.fetch, signal: stop.signal });
    expect(stopped).toMatchObject({ code: exit, stderr: expect.stringMatching(/1\.0 kB of 2\.0 MB are kept/) });
    expect(await readdir(place.folder)).toEqual([expect.stringMatching(/^\.x\.safetensors\.[0-9a-f]{16}\.part$/)]);
    const again = await cli(["pull", id, "-o", output, "--json"]);
    expect(again.json()).toMatchObject([{ sha256: digest, kept: 1000, verified: true }]);
    expect(await readdir(place.folder)).toEqual(["x.safetensors"]);
  });

  it("keeps nothing that is not what it should be", async () => {
    const output = join(place.folder, "x.safetensors");
    const net = watchedFetch(async (line, ask) => {
      const response = await ask();
      if (!line.startsWith("GET /models/")) return response;
      const body = new Uint8Array(await response.arrayBuffer());
      body[bytes - 1] = (body[bytes - 1] ?? 0) ^ 1;
      return new Response(body, response);
    });
    const ended = await cli(["pull", id, "-o", output], { fetch: net.fetch });
    expect(ended).toMatchObject({ code: 3, stdout: "", stderr: expect.stringContaining(`should have ${digest}`) });
    expect(await readdir(place.folder)).toEqual([]);
  });

  it("leaves what is there, unless told otherwise", async () => {
    const output = await file("x.safetensors", new Uint8Array(3));
    expect(await cli(["pull", id, "-o", output])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("--force"),
    });
    expect(await cli(["pull", id, "-o", output, "--force"])).toMatchObject({ code: 0 });
    expect(await cli(["pull", id, "-o", output])).toMatchObject({ code: 0, stdout: /there already, verified/ });
  });

  it("computes a lazy model by reading it, and verifies it all the same", async () => {
    const lazy = await fuseTwo(large.slice(0, 2), "--lazy", "--weights", "1,2");
    const output = join(place.folder, "x.safetensors");
    const { json } = await cli(["pull", lazy, "-o", output, "--json"]);
    expect(json()).toMatchObject([{ verified: true, sha256: await digestOf(output) }]);
  });

  it("makes a folder of a model that comes in shards, and of its index the last thing", async () => {
    const options = { environment: { EDGEFUSE_URL: shards.url, EDGEFUSE_TOKEN: shards.token } };
    const paths = await Promise.all(
      [0, 1].map((seed) =>
        file(`${seed}.safetensors`, f32Checkpoint({ a: Array(90).fill(seed), b: Array(80).fill(3), c: [seed, 9] })),
      ),
    );
    const whole = join(place.folder, "whole.safetensors");
    await cli(["fuse", ...paths, "-o", whole]);
    const output = join(place.folder, "model");
    const fused = await cli(["fuse", ...paths, "--remote", "-o", output, "--json"], options);
    expect(fused.json()).toMatchObject([{ path: output, sha256: await digestOf(whole), verified: true }]);
    const names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
    expect(await readdir(output)).toEqual([...names, "model.safetensors.index.json"]);
    // A folder without an index is not finished: what is there is used, and what is wrong is found.
    const model = String(fused.json()[0]?.["id"]);
    await rm(join(output, "model.safetensors.index.json"));
    await rm(join(output, names[0] ?? ""));
    expect(await cli(["pull", model, "-o", output], options)).toMatchObject({ code: 0, stdout: /verified/ });
    const second = await readFile(join(output, names[1] ?? ""));
    second[second.length - 1] = 77;
    await writeFile(join(output, names[1] ?? ""), second);
    const wrong = await cli(["pull", model, "-o", output], options);
    expect(wrong).toMatchObject({ code: 3, stderr: expect.stringContaining("--force") });
    expect(await cli(["pull", model, "-o", output, "--force"], options)).toMatchObject({ code: 0 });
    const refused = await cli(["pull", model, "-o", join(place.folder, "y.safetensors")], options);
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining("give a folder") });
  });

  it("brings the TF.js form, weights beside it", async () => {
    const paths = [
      await file("a.safetensors", linearModel([1, 2, 3, 4, 5, 6, 7, 8], [0, 1])),
      await file("b.safetensors", linearModel([3, 2, 3, 4, 5, 6, 7, 8], [0, 5])),
    ];
    const model = await fuseTwo(paths);
    const output = join(place.folder, "web", "model.json");
    expect(await cli(["pull", model, "-o", output])).toMatchObject({ code: 0 });
    expect(JSON.parse(await readFile(output, "utf8"))).toMatchObject({ format: "layers-model" });
    expect((await readFile(join(place.folder, "web", "weights.bin"))).length).toBe(40);
  });

  it("shows private models to those who may read, and to nobody else", async () => {
    const secret = await fuseTwo(large.slice(0, 2), "--private", "--weights", "1,3");
    const output = join(place.folder, "x.safetensors");
    const anonymous = await cli(["pull", secret, "-o", output], { environment: { EDGEFUSE_TOKEN: "" } });
    expect(anonymous).toMatchObject({ code: 4, stderr: expect.stringContaining("has no public model") });
    expect(await cli(["pull", secret, "-o", output])).toMatchObject({ code: 0 });
  });
});
