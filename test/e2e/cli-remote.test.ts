import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { decodeSafetensors } from "../../shared/safetensors/index.ts";
import { Failure } from "../../trainer/failure.ts";
import { f32Checkpoint, largeCheckpoint, linearModel } from "../support/checkpoint-files.ts";
import { type CommandLineRun, cutOff, runHere, watchedFetch } from "../support/run-command-line.ts";
import { runCli } from "../trainer/commands/run-cli.ts";
import { startWorker, type WorkerHarness } from "../support/worker-harness.ts";

let worker: WorkerHarness;
let shards: WorkerHarness;
let folder: string;
let environment: Record<string, string>;

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const digestOf = async (path: string) => sha256(await readFile(path));

/** A command line for the worker, with the admin token and a cache of its own. */
const cli = (words: readonly string[], run: CommandLineRun = {}) =>
  runHere(words, { ...run, environment: { ...environment, ...run.environment } });

async function file(name: string, bytes: Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, bytes);
  return path;
}

/** Has two files fused by the worker. @returns id of the model */
async function fuseTwo(paths: readonly string[], ...more: string[]): Promise<string> {
  const { code, stderr, json } = await cli(["fuse", ...paths, "--remote", "--json", ...more]);
  expect([code, stderr]).toEqual([0, expect.any(String)]);
  return String(json()[0]?.["id"]);
}

beforeAll(async () => {
  [worker, shards] = await Promise.all([startWorker(), startWorker({ vars: { EDGEFUSE_SHARD_BYTES: "400" } })]);
});
afterAll(() => Promise.all([worker.close(), shards.close()]));

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "edgefuse-remote-"));
  environment = { EDGEFUSE_URL: worker.url, EDGEFUSE_TOKEN: worker.token, EDGEFUSE_CACHE: join(folder, "cache") };
  return () => rm(folder, { recursive: true });
});

describe("edgefuse push, through the API", () => {
  it("registers a file under its digest, once", async () => {
    const bytes = f32Checkpoint({ w: [1, 2, 3] });
    const path = await file("a.safetensors", bytes);
    const first = await cli(["push", path, "--json"]);
    expect(first).toMatchObject({ code: 0, stderr: expect.stringContaining("through its API") });
    const pushed = { event: "pushed", path, sha256: sha256(bytes), bytes: bytes.length, via: "api" };
    expect(first.json()).toEqual([expect.objectContaining({ ...pushed, upload: "uploaded", registered: "new" })]);
    const again = watchedFetch();
    const second = await cli(["push", path, "--json"], { fetch: again.fetch });
    expect(second.json()).toEqual([expect.objectContaining({ ...pushed, upload: "exists", registered: "known" })]);
    expect(again.requests.map(({ line }) => line)).toEqual([`GET /v1/checkpoints/${sha256(bytes)}`]);
    const described = (await (await worker.fetch(`/v1/checkpoints/${sha256(bytes)}`)).json()) as { name: string };
    expect(described.name).toBe("a.safetensors");
  });

  it("goes on with a large file where a broken line stopped it", async () => {
    const bytes = largeCheckpoint(5_000_000, 1);
    const path = await file("large.safetensors", bytes);
    const down = watchedFetch((line, ask) =>
      line.endsWith("/parts/3") ? Promise.reject(new TypeError("fetch failed", { cause: new Error("down") })) : ask(),
    );
    const broken = await cli(["push", path], { fetch: down.fetch });
    expect(broken).toMatchObject({ code: 5, stdout: "", stderr: expect.stringContaining("does not answer (down)") });
    const up = watchedFetch();
    expect(await cli(["push", path], { fetch: up.fetch })).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(sha256(bytes)),
    });
    const puts = up.requests.filter(({ line }) => line.startsWith("PUT")).map(({ line }) => line.slice(-8));
    expect(puts).toEqual(["/parts/3"]);
    const stored = await worker.fetch(`/v1/checkpoints/${sha256(bytes)}/model.safetensors`);
    expect(sha256(new Uint8Array(await stored.arrayBuffer()))).toBe(sha256(bytes));
    expect(await readdir(join(folder, "cache", "uploads"))).toEqual([]);
  });

  it("is what a training run does that shall push, where no bucket is set", async () => {
    const words = ["train", "--hidden", "8", "--epochs", "1", "--models", "1", "--out", folder, "--push", "--json"];
    const { code, stdout } = await runCli(words, environment);
    const [trained, pushed] = stdout.split("\n").map((line) => JSON.parse(line || "null") as Record<string, unknown>);
    expect([code, pushed]).toEqual([
      0,
      expect.objectContaining({ event: "pushed", sha256: trained?.["sha256"], via: "api", registered: "new" }),
    ]);
    expect((await worker.fetch(`/v1/checkpoints/${String(trained?.["sha256"])}`)).status).toBe(200);
  });

  it.each<[string, Record<string, string>, number, RegExp]>([
    ["no.safetensors", {}, 3, /ENOENT.*no\.safetensors/],
    ["bad.safetensors", {}, 3, /bad\.safetensors/],
    ["good.safetensors", { EDGEFUSE_TOKEN: "" }, 2, /Set EDGEFUSE_TOKEN in the environment/],
    ["good.safetensors", { EDGEFUSE_TOKEN: "wrong" }, 4, /invalid-token\) Check EDGEFUSE_TOKEN\./],
  ])("ends with one line for %s %o", async (name, change, code, message) => {
    await file("bad.safetensors", new Uint8Array(20));
    await file("good.safetensors", f32Checkpoint({ w: [7] }));
    const ended = await cli(["push", join(folder, name)], { environment: change });
    expect(ended).toMatchObject({ code, stdout: "", stderr: expect.stringMatching(message) });
  });
});

describe("edgefuse fuse --remote", () => {
  it("uploads files, fuses to the bytes and the id of an offline fusion, and downloads", async () => {
    const paths = [
      await file("a.safetensors", f32Checkpoint({ w: [1, 2, 3], v: [0.1] })),
      await file("b.safetensors", f32Checkpoint({ w: [4, 5, 7], v: [0.3] })),
    ];
    const [here, there] = [join(folder, "here.safetensors"), join(folder, "there.safetensors")];
    const options = ["--weights", "3,1", "--dtype", "f16", "--json"];
    const offline = await cli(["fuse", ...paths, "-o", here, ...options]);
    const manifest = join(folder, "manifest.json");
    const remote = await cli(["fuse", ...paths, "-o", there, ...options, "--remote", "--manifest", manifest]);
    expect(remote).toMatchObject({ code: 0 });
    const [expected, found] = [offline.json()[0], remote.json()[0]];
    expect([found?.["id"], found?.["sha256"]]).toEqual([expected?.["id"], expected?.["sha256"]]);
    expect(await digestOf(there)).toBe(await digestOf(here));
    expect(found).toMatchObject({ event: "fused", state: "succeeded", verified: true, path: there });
    const published = await fetch(`${worker.url}/models/${String(found?.["id"])}/model.safetensors`);
    expect(found).toMatchObject({ urls: { model: published.url } });
    expect(sha256(new Uint8Array(await published.arrayBuffer()))).toBe(await digestOf(there));
    expect(JSON.parse(await readFile(manifest, "utf8"))).toMatchObject({ id: found?.["id"] });
  });

  it("takes ids and aliases, of models too", async () => {
    const paths = [
      await file("a.safetensors", f32Checkpoint({ w: [0, 8] })),
      await file("b.safetensors", f32Checkpoint({ w: [4, 0] })),
    ];
    const mean = await fuseTwo(paths);
    expect(await cli(["alias", "set", "inputs/mean", mean])).toMatchObject({ code: 0 });
    const id = await digestOf(paths[0] ?? "");
    const output = join(folder, "out.safetensors");
    const { code, stderr } = await cli(["fuse", "@inputs/mean@v1", id, "--remote", "-o", output]);
    expect([code, stderr]).toEqual([0, expect.stringContaining("is a model: it is entered as a checkpoint")]);
    const { header, bytes } = decodeSafetensors(new Uint8Array(await readFile(output)));
    const [w] = header.tensors;
    expect(w && Array.from(new Float32Array(bytes(w).slice().buffer))).toEqual([1, 6]);
    // What was entered once is not carried again.
    const second = await cli(["fuse", "@inputs/mean", id, "--remote"]);
    expect(second).toMatchObject({ code: 0, stdout: expect.stringContaining(`/models/`), stderr: "" });
  });

  it("plans, and leaves the computing to the reader", async () => {
    const paths = [
      await file("a.safetensors", f32Checkpoint({ w: [1, 2] })),
      await file("b.safetensors", f32Checkpoint({ w: [3, 9] })),
    ];
    const planned = await cli(["fuse", ...paths, "--remote", "--plan"]);
    expect(planned.stdout).toMatch(/^model [0-9a-f]{64}: linear, 1 tensors/);
    const [, id = ""] = /^model (\w+)/.exec(planned.stdout) ?? [];
    expect((await worker.fetch(`/v1/fusions/${id}`)).status).toBe(404);
    expect(await fuseTwo(paths, "--lazy")).toBe(id);
    expect(await (await worker.fetch(`/v1/fusions/${id}`)).json()).toMatchObject({ state: "lazy" });
  });

  it.each<[string, string[], number, RegExp]>([
    ["an option that is wrong, before anything is sent", ["--weights", "1"], 2, /--weights has 1 numbers for 2/],
    ["an input that is nothing", ["nothing.safetensors"], 4, /There is no file nothing\.safetensors\. /],
    ["inputs that do not fit", ["other"], 3, /incompatible-inputs/],
  ])("says what is wrong with %s", async (_, more, code, message) => {
    const a = await file("a.safetensors", f32Checkpoint({ w: [31, 2] }));
    const b = await file("b.safetensors", f32Checkpoint({ w: [32, 2] }));
    const other = await file("other", f32Checkpoint({ other: [1] }));
    const words = more[0] === "other" ? [a, other] : [a, b, ...more];
    const ended = await cli(["fuse", ...words, "--remote"]);
    expect(ended).toMatchObject({ code, stdout: "", stderr: expect.stringMatching(message) });
  });
});

describe("edgefuse alias", () => {
  it("names, moves only what it has seen, shows, rolls back and deletes", async () => {
    const paths = [
      await file("a.safetensors", f32Checkpoint({ w: [11, 2] })),
      await file("b.safetensors", f32Checkpoint({ w: [13, 9] })),
    ];
    const [one, two] = [await fuseTwo(paths), await fuseTwo(paths, "--weights", "1,3")];
    const lines = async (...words: string[]) => {
      const ended = await cli(["alias", ...words, "--json"]);
      return ended.code === 0 ? ended.json() : [ended.code, ended.stderr];
    };
    expect(await lines("set", "verbs/digits", one)).toMatchObject([{ version: 1, model: one }]);
    expect(await lines("set", "verbs/digits", one)).toMatchObject([{ version: 1, model: one }]);
    expect(await lines("set", "@verbs/digits", two)).toMatchObject([{ version: 2, model: two }]);
    expect(await lines("set", "verbs/digits", one, "--if-version", "1")).toEqual([
      4,
      expect.stringContaining("precondition-failed"),
    ]);
    expect(await lines("set", "verbs/digits", one, "--new")).toEqual([4, expect.stringContaining("is at version 2")]);
    expect(await lines("rollback", "verbs/digits")).toMatchObject([{ version: 3, model: one }]);
    expect(await lines("get", "verbs/digits")).toMatchObject([{ version: 3, model: one }]);
    expect(await lines("history", "verbs/digits")).toMatchObject([
      { version: 3, action: "rollback", restored: 1 },
      { version: 2, action: "move" },
      { version: 1, action: "create" },
    ]);
    expect(await lines("list")).toContainEqual(expect.objectContaining({ name: "verbs/digits", version: 3 }));
    expect(await lines("delete", "verbs/digits")).toMatchObject([{ event: "deleted", version: 3 }]);
    expect(await lines("get", "verbs/digits")).toEqual([4, expect.stringContaining("alias-not-found")]);
  });

  it.each<[string[], RegExp]>([
    [["sett", "a", "b"], /no action "sett"\. Did you mean set\?/],
    [["set", "a"], /edgefuse alias set NAME MODEL is how/],
    [["get", "models/x"], /neither an id .* nor an alias/],
    [["get", "a", "--new"], /--new does not go with alias get/],
  ])("refuses %j", async (words, message) => {
    expect(await cli(["alias", ...words])).toMatchObject({ code: 2, stderr: expect.stringMatching(message) });
  });
});

describe("edgefuse pull", () => {
  let id: string;
  let bytes: number;
  let digest: string;
  const large: string[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "edgefuse-remote-"));
    environment = { EDGEFUSE_URL: worker.url, EDGEFUSE_TOKEN: worker.token, EDGEFUSE_CACHE: join(folder, "cache") };
    for (const seed of [2, 3]) large.push(await file(`${seed}.safetensors`, largeCheckpoint(500_000, seed)));
    id = await fuseTwo(large);
    await cli(["alias", "set", "pulls/large", id]);
    const model = new Uint8Array(await (await fetch(`${worker.url}/models/${id}/model.safetensors`)).arrayBuffer());
    [bytes, digest] = [model.length, sha256(model)];
    large.push(folder);
  });
  afterAll(() => rm(large.at(-1) ?? "", { recursive: true }));

  it.each([
    ["an alias", () => "pulls/large"],
    ["a version", () => "@pulls/large@v1"],
    ["an id", () => id],
  ])("needs no token for %s of a public model", async (_, what) => {
    const output = join(folder, "x.safetensors");
    const { code, json } = await cli(["pull", what(), "-o", output, "--json"], { environment: { EDGEFUSE_TOKEN: "" } });
    expect(code).toBe(0);
    expect(json()).toMatchObject([{ event: "pulled", id, sha256: digest, bytes, kept: 0, verified: true }]);
    expect(await digestOf(output)).toBe(digest);
    expect(await readdir(folder)).toEqual(["x.safetensors"]);
  });

  it("pulls checkpoints, with a token", async () => {
    const checkpoint = await digestOf(large[0] ?? "");
    const output = join(folder, "x.safetensors");
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
    const output = join(folder, "x.safetensors");
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
    const output = join(folder, "x.safetensors");
    const stopped = await cli(["pull", id, "-o", output], { fetch: net.fetch, signal: stop.signal });
    expect(stopped).toMatchObject({ code: exit, stderr: expect.stringMatching(/1\.0 kB of 2\.0 MB are kept/) });
    expect(await readdir(folder)).toEqual([expect.stringMatching(/^\.x\.safetensors\.[0-9a-f]{16}\.part$/)]);
    const again = await cli(["pull", id, "-o", output, "--json"]);
    expect(again.json()).toMatchObject([{ sha256: digest, kept: 1000, verified: true }]);
    expect(await readdir(folder)).toEqual(["x.safetensors"]);
  });

  it("keeps nothing that is not what it should be", async () => {
    const output = join(folder, "x.safetensors");
    const net = watchedFetch(async (line, ask) => {
      const response = await ask();
      if (!line.startsWith("GET /models/")) return response;
      const body = new Uint8Array(await response.arrayBuffer());
      body[bytes - 1] = (body[bytes - 1] ?? 0) ^ 1;
      return new Response(body, response);
    });
    const ended = await cli(["pull", id, "-o", output], { fetch: net.fetch });
    expect(ended).toMatchObject({ code: 3, stdout: "", stderr: expect.stringContaining(`should have ${digest}`) });
    expect(await readdir(folder)).toEqual([]);
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
    const output = join(folder, "x.safetensors");
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
    const whole = join(folder, "whole.safetensors");
    await cli(["fuse", ...paths, "-o", whole]);
    const output = join(folder, "model");
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
    const refused = await cli(["pull", model, "-o", join(folder, "y.safetensors")], options);
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining("give a folder") });
  });

  it("brings the TF.js form, weights beside it", async () => {
    const paths = [
      await file("a.safetensors", linearModel([1, 2, 3, 4, 5, 6, 7, 8], [0, 1])),
      await file("b.safetensors", linearModel([3, 2, 3, 4, 5, 6, 7, 8], [0, 5])),
    ];
    const model = await fuseTwo(paths);
    const output = join(folder, "web", "model.json");
    expect(await cli(["pull", model, "-o", output])).toMatchObject({ code: 0 });
    expect(JSON.parse(await readFile(output, "utf8"))).toMatchObject({ format: "layers-model" });
    expect((await readFile(join(folder, "web", "weights.bin"))).length).toBe(40);
  });

  it("shows private models to those who may read, and to nobody else", async () => {
    const secret = await fuseTwo(large.slice(0, 2), "--private", "--weights", "1,3");
    const output = join(folder, "x.safetensors");
    const anonymous = await cli(["pull", secret, "-o", output], { environment: { EDGEFUSE_TOKEN: "" } });
    expect(anonymous).toMatchObject({ code: 4, stderr: expect.stringContaining("has no public model") });
    expect(await cli(["pull", secret, "-o", output])).toMatchObject({ code: 0 });
  });
});

describe("edgefuse token", () => {
  it("prints a token once, alone; lists it without; revokes it", async () => {
    const created = await cli(["token", "create", "--name", "ci", "--scope", "read", "--expires", "1h"]);
    expect(created).toMatchObject({ code: 0, stdout: expect.stringMatching(/^ef_[A-Za-z0-9_-]{43}\n$/) });
    const value = created.stdout.trim();
    expect(created.stderr).not.toContain(value);
    const [, id = ""] = /token (\S+) \(ci\): read; expires/.exec(created.stderr) ?? [];
    const own = { environment: { EDGEFUSE_TOKEN: value } };
    expect(await cli(["alias", "list"], own)).toMatchObject({ code: 0 });
    const refused = await cli(["token", "list"], own);
    expect(refused).toMatchObject({ code: 4, stderr: expect.stringContaining("insufficient-scope") });
    const listed = await cli(["token", "list"]);
    expect(listed.stdout).toContain(`${id}  ci  read  expires`);
    expect(listed.stdout).not.toContain(value);
    expect(await cli(["token", "revoke", id])).toMatchObject({ code: 0, stdout: expect.stringContaining("revoked") });
    expect((await cli(["token", "list"])).stdout).not.toContain(id);
    expect((await cli(["token", "list", "--all"])).stdout).toContain(`${id}  ci  read  revoked`);
    expect(await cli(["alias", "list"], own)).toMatchObject({
      code: 4,
      stderr: expect.stringContaining("invalid-token"),
    });
  });

  it("takes no secret as an argument, and does not repeat one", async () => {
    const value = `ef_${"a".repeat(43)}`;
    const ended = await cli(["token", "revoke", value]);
    expect(ended).toMatchObject({ code: 2, stderr: expect.stringContaining("edgefuse token list") });
    expect(ended.stderr).not.toContain(value);
  });
});
