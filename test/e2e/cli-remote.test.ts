import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { decodeSafetensors } from "../../shared/safetensors/index.ts";
import { f32Checkpoint, largeCheckpoint } from "../support/checkpoint-files.ts";
import { watchedFetch } from "../support/run-command-line.ts";
import { runCli } from "../trainer/commands/run-cli.ts";
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
    expect(await readdir(join(place.folder, "cache", "uploads"))).toEqual([]);
  });

  it("is what a training run does that shall push, where no bucket is set", async () => {
    const words = [
      "train",
      "--hidden",
      "8",
      "--epochs",
      "1",
      "--models",
      "1",
      "--out",
      place.folder,
      "--push",
      "--json",
    ];
    const { code, stdout } = await runCli(words, place.environment);
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
    const ended = await cli(["push", join(place.folder, name)], { environment: change });
    expect(ended).toMatchObject({ code, stdout: "", stderr: expect.stringMatching(message) });
  });
});

describe("edgefuse fuse --remote", () => {
  it("uploads files, fuses to the bytes and the id of an offline fusion, and downloads", async () => {
    const paths = [
      await file("a.safetensors", f32Checkpoint({ w: [1, 2, 3], v: [0.1] })),
      await file("b.safetensors", f32Checkpoint({ w: [4, 5, 7], v: [0.3] })),
    ];
    const [here, there] = [join(place.folder, "here.safetensors"), join(place.folder, "there.safetensors")];
    const options = ["--weights", "3,1", "--dtype", "f16", "--json"];
    const offline = await cli(["fuse", ...paths, "-o", here, ...options]);
    const manifest = join(place.folder, "manifest.json");
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
    const output = join(place.folder, "out.safetensors");
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
