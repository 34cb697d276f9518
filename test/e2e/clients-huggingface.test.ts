import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  checkRepoAccess,
  downloadFile,
  fileDownloadInfo,
  fileExists,
  listFiles,
  modelInfo,
  parseSafetensorsMetadata,
  pathsInfo,
  repoExists,
  snapshotDownload,
} from "@huggingface/hub";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { EdgefuseClient } from "../../shared/api/index.ts";
import type { ModelId } from "../../shared/identity.ts";
import { decodeSafetensors } from "../../shared/safetensors/index.ts";
import { f32Checkpoint, linearModel } from "../support/checkpoint-files.ts";
import { startWorker, type WorkerHarness } from "../support/worker-harness.ts";

let worker: WorkerHarness;
let client: EdgefuseClient;
let hubUrl: string;
let plain: ModelId;
let sharded: ModelId;
let secret: ModelId;
let lazy: ModelId;

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const fuse = async (files: readonly Uint8Array<ArrayBuffer>[], more: object = {}): Promise<ModelId> => {
  const inputs = [];
  for (const file of files) inputs.push({ checkpoint: (await client.uploadCheckpoint(file)).id });
  return (await client.createFusion({ recipe: { method: "linear", inputs }, ...more } as never)).id;
};
const alias = async (name: string, model: ModelId, version?: number) => {
  const response = await worker.fetch(`/v1/aliases/${encodeURIComponent(name)}`, {
    method: "PUT",
    body: JSON.stringify({ model }),
    headers: { "content-type": "application/json", ...(version === undefined ? {} : { "if-match": `"v${version}"` }) },
  });
  expect(response.ok).toBe(true);
};

beforeAll(async () => {
  worker = await startWorker({ vars: { EDGEFUSE_SHARD_BYTES: "64" } });
  hubUrl = worker.url;
  client = new EdgefuseClient({ url: worker.url, token: worker.token });
  plain = await fuse([linearModel([1, 2, 3, 4, 5, 6, 7, 8], [1, 0]), linearModel([3, 2, 1, 0, 1, 2, 3, 4], [0, 1])]);
  const wide = (shift: number) =>
    f32Checkpoint({ a: Array.from({ length: 16 }, (_, index) => index + shift), b: [shift], c: [1, 2, shift] });
  sharded = await fuse([wide(0), wide(2)]);
  secret = await fuse([linearModel([9, 9, 9, 9, 9, 9, 9, 9], [9, 9])], { visibility: "private" });
  lazy = await fuse([linearModel([7, 7, 7, 7, 7, 7, 7, 7], [7, 7])], { materialize: "lazy" });
  await alias("team/digits", sharded);
  await alias("team/digits", plain, 1);
  await alias("team/large", sharded);
  await alias("team/hidden", secret);
  await alias("solo", plain);
});
afterAll(() => worker.close());

/** Every way to name a plain model. */
const NAMES = () => [
  { repo: "team/digits" },
  { repo: "solo" },
  { repo: { type: "model" as const, name: `models/${plain}` } },
  { repo: plain as string },
  { repo: "team/digits", revision: "v2" },
  { repo: "team/digits", revision: plain as string },
];

describe("@huggingface/hub", () => {
  it("lists, describes and downloads a fused model, under each of its names", async () => {
    const whole = await client.fetchModel(plain);
    for (const name of NAMES()) {
      const files = [];
      for await (const { path, size, type, lfs } of listFiles({ ...name, hubUrl })) {
        files.push([path, type]);
        const bytes = new Uint8Array(await (await fetch(client.modelUrl(plain, path as never))).arrayBuffer());
        expect([path, size]).toEqual([path, bytes.length]);
        const isWeights = /\.(safetensors|bin)$/.test(path);
        expect([path, lfs?.oid]).toEqual([path, isWeights ? sha256(bytes) : undefined]);
      }
      expect(files).toEqual([
        ["config.json", "file"],
        ["manifest.json", "file"],
        ["model.safetensors", "file"],
        ["model.json", "file"],
        ["weights.bin", "file"],
      ]);
      const blob = await downloadFile({ ...name, path: "model.safetensors", hubUrl });
      expect(sha256(new Uint8Array((await blob?.arrayBuffer()) ?? new ArrayBuffer(0)))).toBe(sha256(whole));
      const info = await fileDownloadInfo({ ...name, path: "model.safetensors", hubUrl });
      expect(info).toMatchObject({ size: whole.length, etag: `"${sha256(whole)}"` });
      expect(await downloadFile({ ...name, path: "nothing.json", hubUrl })).toBeNull();
      expect(await downloadFile({ ...name, path: "onnx/model.onnx", hubUrl })).toBeNull();
      expect(await fileExists({ ...name, path: "nothing.json", hubUrl })).toBe(false);
    }
    const described = await modelInfo({
      name: "team/digits",
      hubUrl,
      additionalFields: ["sha", "safetensors", "tags"],
    });
    expect(described).toMatchObject({
      name: "team/digits",
      private: false,
      gated: false,
      sha: plain,
      safetensors: { parameters: { F32: 10 }, total: 10 },
    });
    expect(await repoExists({ repo: "team/digits", hubUrl })).toBe(true);
    const config = await downloadFile({ repo: "team/digits", path: "config.json", hubUrl });
    expect(JSON.parse((await config?.text()) ?? "")).toMatchObject({
      model_type: "mlp",
      architecture: "mlp",
      classes: 2,
    });
  });

  it("reads a fused model's safetensors header, and counts its parameters", async () => {
    const { header } = decodeSafetensors(await client.fetchModel(plain));
    for (const name of NAMES()) {
      const parsed = await parseSafetensorsMetadata({ ...name, hubUrl, computeParametersCount: true });
      expect(parsed.sharded).toBe(false);
      expect(parsed.parameterCount).toEqual({ F32: 10 });
      if (!parsed.sharded) {
        for (const tensor of header.tensors) {
          expect(parsed.header[tensor.name]).toEqual({
            dtype: "F32",
            shape: tensor.shape,
            data_offsets: [tensor.begin, tensor.end],
          });
        }
      }
    }
  });

  it("does all of it with a model that comes in shards, and with an older version of an alias", async () => {
    for (const name of [{ repo: "team/large" }, { repo: "team/digits", revision: "v1" }, { repo: sharded as string }]) {
      const parsed = await parseSafetensorsMetadata({ ...name, hubUrl, computeParametersCount: true });
      expect(parsed.sharded).toBe(true);
      expect(parsed.parameterCount).toEqual({ F32: 20 });
      expect(parsed.filepaths).toEqual([
        "model.safetensors.index.json",
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
      ]);
      const paths = [];
      for await (const { path } of listFiles({ ...name, hubUrl })) paths.push(path);
      // Without an architecture there is no config.json and no TF.js form.
      expect(paths.toSorted()).toEqual(["manifest.json", ...parsed.filepaths].toSorted());
      const values = [];
      for (const path of parsed.filepaths.slice(1)) {
        const blob = await downloadFile({ ...name, path, hubUrl });
        const { header, bytes } = decodeSafetensors(new Uint8Array((await blob?.arrayBuffer()) ?? new ArrayBuffer(0)));
        for (const tensor of header.tensors) values.push(...new Float32Array(bytes(tensor).slice().buffer));
      }
      expect(values).toEqual([...Array.from({ length: 16 }, (_, index) => index + 1), 1, 1, 2, 1]);
    }
  });

  it("reads a model that is not stored yet, and the same bytes once it is", async () => {
    const name = { repo: lazy as string };
    const info = await fileDownloadInfo({ ...name, path: "model.safetensors", hubUrl });
    expect(info?.etag).toBe(`"model-${lazy}"`);
    const paths = [];
    for await (const { path } of listFiles({ ...name, hubUrl })) paths.push(path);
    expect(paths).toEqual(["config.json", "model.safetensors", "model.json", "weights.bin"]);
    expect(await downloadFile({ ...name, path: "manifest.json", hubUrl })).toBeNull();
    const read = async () => {
      const blob = await downloadFile({ ...name, path: "model.safetensors", hubUrl });
      return sha256(new Uint8Array((await blob?.slice(0, 1_000_000).arrayBuffer()) ?? new ArrayBuffer(0)));
    };
    const before = await read();
    await expect.poll(async () => (await client.describeFusion(lazy)).state, { timeout: 20_000 }).toBe("succeeded");
    expect(await read()).toBe(before);
    expect(await parseSafetensorsMetadata({ ...name, hubUrl })).toMatchObject({ sharded: false });
  });

  it("takes a snapshot of a whole repository", async () => {
    const cacheDir = await mkdtemp(join(tmpdir(), "edgefuse-hub-"));
    const quiet = vi.spyOn(console, "debug").mockImplementation(() => undefined);
    try {
      const folder = await snapshotDownload({ repo: "team/digits", hubUrl, cacheDir });
      expect(folder).toContain(plain);
      expect((await readdir(folder)).toSorted()).toEqual([
        "config.json",
        "manifest.json",
        "model.json",
        "model.safetensors",
        "weights.bin",
      ]);
      expect(sha256(await readFile(join(folder, "model.safetensors")))).toBe(sha256(await client.fetchModel(plain)));
    } finally {
      quiet.mockRestore();
      await rm(cacheDir, { recursive: true });
    }
  });

  it("names its files and their commits", async () => {
    const paths = ["model.safetensors", "nothing", "config.json"];
    const infos = await pathsInfo({ repo: "team/digits", paths, expand: true, hubUrl });
    expect(infos.map(({ path }) => path)).toEqual(["model.safetensors", "config.json"]);
    for (const info of infos) {
      expect(info.oid).toMatch(/^[0-9a-f]{40}$/);
      expect(info.lastCommit.id).toBe(plain);
    }
    // The Python client asks with a form.
    const form = await fetch(`${hubUrl}/api/models/team/digits/paths-info/main`, {
      method: "POST",
      body: new URLSearchParams([
        ["paths", "model.json"],
        ["paths", "weights.bin"],
        ["expand", "True"],
      ]),
    });
    expect(await form.json()).toMatchObject([
      { path: "model.json", lastCommit: { id: plain } },
      { path: "weights.bin", lastCommit: { id: plain } },
    ]);
    for (const body of ["{", '{"paths": 1}', JSON.stringify({ paths: Array.from({ length: 1001 }, () => "a") })]) {
      const refused = await fetch(`${hubUrl}/api/models/team/digits/paths-info/main`, {
        method: "POST",
        body,
        headers: { "content-type": "application/json" },
      });
      expect(refused.status).toBe(400);
    }
  });

  it("reads a private model with a token, and finds none without", async () => {
    const accessToken = worker.token;
    const blob = await downloadFile({
      repo: "team/hidden",
      path: "model.safetensors",
      hubUrl,
      accessToken: `hf_${accessToken}`,
    }).catch((error: unknown) => error);
    expect(blob).toBeInstanceOf(Error);
    const custom: typeof fetch = (input, init) => {
      const headers = new Headers(init?.headers);
      headers.set("authorization", `Bearer ${accessToken}`);
      return fetch(input, { ...init, headers });
    };
    const repo = "team/hidden";
    expect(await parseSafetensorsMetadata({ repo, hubUrl, fetch: custom })).toMatchObject({ sharded: false });
    expect(await modelInfo({ name: repo, hubUrl, fetch: custom })).toMatchObject({ private: true });
    await expect(checkRepoAccess({ repo, hubUrl })).rejects.toMatchObject({ statusCode: 404 });
    expect(await repoExists({ repo, hubUrl })).toBe(false);
    await expect(downloadFile({ repo, path: "model.safetensors", hubUrl })).rejects.toMatchObject({ statusCode: 404 });
    await expect(parseSafetensorsMetadata({ repo, hubUrl })).rejects.toThrow();
  });
});

describe("the fields that Hub clients read", () => {
  const get = (path: string, init: RequestInit = {}) => fetch(hubUrl + path, init);

  it("are on HEAD, on GET, on ranges and on 304", async () => {
    const bytes = await client.fetchModel(plain);
    for (const [init, status] of [
      [{ method: "HEAD" }, 200],
      [{}, 200],
      [{ headers: { range: "bytes=0-0" } }, 206],
      [{ headers: { "if-none-match": `"model-${plain}"` } }, 304],
    ] as [RequestInit, number][]) {
      const response = await get("/team/digits/resolve/main/model.safetensors", init);
      expect([response.status, Object.fromEntries(response.headers)]).toMatchObject([
        status,
        {
          etag: `"model-${plain}"`,
          "x-linked-etag": `"${sha256(bytes)}"`,
          "x-linked-size": String(bytes.length),
          "x-repo-commit": plain,
          "content-disposition": 'inline; filename="model.safetensors"',
        },
      ]);
      await response.body?.cancel();
    }
    const fixed = await get("/team/digits/resolve/v1/model.safetensors.index.json");
    expect(fixed.headers.get("cache-control")).toBe("public, max-age=31536000, immutable, no-transform");
    await fixed.body?.cancel();
  });

  it("say what was not found, and tell a private repository from none to nobody", async () => {
    const rows = [
      ["/team/nothing/resolve/main/config.json", "RepoNotFound"],
      [`/${"0".repeat(64)}/resolve/main/config.json`, "RepoNotFound"],
      ["/api/models/team/nothing", "RepoNotFound"],
      ["/team/digits/resolve/v9/config.json", "RevisionNotFound"],
      ["/team/digits/resolve/other/config.json", "RevisionNotFound"],
      [`/team/digits/resolve/${"0".repeat(64)}/config.json`, "RevisionNotFound"],
      [`/models/${plain}/resolve/v1/config.json`, "RevisionNotFound"],
      ["/team/digits/resolve/main/a%20b%C3%A9.json", "EntryNotFound"],
      ["/team/digits/resolve/main/folder/config.json", "EntryNotFound"],
      ["/team/large/resolve/main/model.safetensors", "EntryNotFound"],
      ["/api/models/team/digits/tree/main/folder", "EntryNotFound"],
      ["/team/hidden/resolve/main/config.json", "RepoNotFound"],
      ["/team/hidden/resolve/v1/config.json", "RepoNotFound"],
      ["/team/hidden/resolve/v9/config.json", "RepoNotFound"],
      ["/team/hidden/raw/main/config.json", "RepoNotFound"],
      ["/api/models/team/hidden/tree/main", "RepoNotFound"],
      ["/api/models/team/hidden/revision/main", "RepoNotFound"],
      [`/${"SECRET"}/resolve/main/config.json`, "RepoNotFound"],
      [`/models/${"SECRET"}/resolve/main/weights.bin`, "RepoNotFound"],
    ] as const;
    for (const [path, code] of rows) {
      for (const method of ["GET", "HEAD"]) {
        const response = await get(path.replace("SECRET", secret), { method, headers: { range: "bytes=0-0" } });
        expect([path, response.status, response.headers.get("x-error-code")]).toEqual([path, 404, code]);
        expect(response.headers.get("cache-control")).toBe("no-store");
        const text = await response.text();
        if (path.includes("hidden")) expect(text).not.toContain(secret);
      }
    }
  });

  it("of a version that points at a private model say that there is none", async () => {
    await alias("mixed", secret);
    await alias("mixed", plain, 1);
    const hidden = await get("/mixed/resolve/v1/weights.bin");
    expect([hidden.status, hidden.headers.get("x-error-code")]).toEqual([404, "RevisionNotFound"]);
    const seen = await worker.fetch("/mixed/resolve/v1/weights.bin");
    expect([seen.status, seen.headers.get("cache-control")]).toEqual([
      200,
      "private, max-age=31536000, immutable, no-transform",
    ]);
    await seen.arrayBuffer();
    const current = await get("/mixed/resolve/main/weights.bin");
    expect([current.status, current.headers.get("x-repo-commit")]).toEqual([200, plain]);
    await current.arrayBuffer();
  });
});
