import { createHash } from "node:crypto";
import { copyFile, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { RECIPE_KEY } from "../../../shared/fusion/index.ts";
import { modelId } from "../../../shared/identity.ts";
import { encodeShardIndex, INDEX_FILE } from "../../../shared/safetensors/index.ts";
import { makeTerminal } from "../../../trainer/command-line/terminal.ts";
import { ByteProgress } from "../../../trainer/fusing/byte-progress.ts";
import { connectWorker } from "../../../trainer/remote/connect.ts";
import { pullThing } from "../../../trainer/remote/pull-model.ts";
import { f32Checkpoint } from "../../support/checkpoint-files.ts";
import { problem } from "../../support/scripted-client.ts";

const NAMES = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"] as const;
const digest = (bytes: Uint8Array | string) => createHash("sha256").update(bytes).digest();

/** A model in two shards, which carry the recipe that its id is the digest of. */
function sharded(value: number) {
  const recipe = `{"inputs":[${value}]}`;
  const shard = (name: string) => f32Checkpoint({ [name]: [value, value] }, { [RECIPE_KEY]: recipe });
  const tensor = (name: string) => ({ name, dtype: "F32" as const, shape: [2], begin: 0, end: 8 });
  const index = encodeShardIndex(["a", "b"].map((name, at) => ({ file: NAMES[at] ?? "", tensors: [tensor(name)] })));
  const files = new Map<string, Uint8Array<ArrayBuffer>>([
    [NAMES[0], shard("a")],
    [NAMES[1], shard("b")],
    [INDEX_FILE, new TextEncoder().encode(index)],
  ]);
  return { id: modelId.parse(digest(recipe).toString("hex")), files };
}

const [first, second] = [sharded(1), sharded(2)];

let folder: string;
let gets: string[];
beforeEach(async () => {
  gets = [];
  folder = await mkdtemp(join(tmpdir(), "edgefuse-pull-"));
});
afterEach(() => rm(folder, { recursive: true }));

/** A deployment that computes both models when they are read: it knows the digest of their indexes alone. */
const lazily: typeof fetch = async (input, init) => {
  const [, , id, file = ""] = new URL(String(input)).pathname.split("/");
  const bytes = [first, second].find((model) => model.id === id)?.files.get(file);
  if (bytes === undefined) return problem(409, "not-materialized");
  if (init?.method !== "HEAD") gets.push(file);
  const headers = new Headers({ etag: `"${id}-${file}"`, "content-length": String(bytes.length) });
  if (file === INDEX_FILE) headers.set("repr-digest", `sha-256=:${digest(bytes).toString("base64")}:`);
  return new Response(init?.method === "HEAD" ? null : bytes, { headers });
};

function pull({ id, files }: typeof first, force = false) {
  const signal = new AbortController().signal;
  const worker = connectWorker(
    { url: "http://host.example", token: undefined },
    { fetch: lazily, signal, longestWait: 0 },
  );
  const silent = { write: () => undefined };
  const progress = new ByteProgress(makeTerminal(silent, silent, {}, false), () => 0);
  const thing = { kind: "model", id, files: [...files.keys()] } as const;
  return pullThing(worker, thing, { output: folder, name: "digits" }, { force, signal, progress });
}

const shardsThere = () => Promise.all(NAMES.map(async (name) => new Uint8Array(await readFile(join(folder, name)))));
const shardsOf = ({ files }: typeof first) => NAMES.map((name) => files.get(name));

describe("pulling a model in shards whose digest the worker does not know", () => {
  it("takes no shard of another model of the family for its own, though names and lengths are the same", async () => {
    await pull(first);
    expect(shardsOf(first).map((file) => file?.length)).toEqual(shardsOf(second).map((file) => file?.length));
    await expect(pull(second)).rejects.toMatchObject({
      kind: "usage",
      message: `${join(folder, NAMES[0])} exists; give --force to replace it.`,
    });
    expect(await shardsThere()).toEqual(shardsOf(first));
    expect(await pull(second, true)).toMatchObject({ verified: false });
    expect(await shardsThere()).toEqual(shardsOf(second));
  });

  it("keeps shards of its own, and brings those that are missing", async () => {
    await pull(first);
    await rm(join(folder, NAMES[0]));
    gets = [];
    await pull(first);
    expect(gets.filter((name) => name !== INDEX_FILE)).toEqual([NAMES[0]]);
    expect(await shardsThere()).toEqual(shardsOf(first));
  });

  it("does not take one shard for another of the same length", async () => {
    await pull(first);
    const [one, other] = NAMES.map((name) => join(folder, name));
    expect(shardsOf(first).map((file) => file?.length)).toEqual([
      shardsOf(first)[0]?.length,
      shardsOf(first)[0]?.length,
    ]);
    await copyFile(other ?? "", one ?? "");
    await expect(pull(first)).rejects.toMatchObject({ kind: "usage", message: expect.stringContaining("--force") });
  });

  it("does not take a file for a shard that is none", async () => {
    const length = shardsOf(first)[0]?.length ?? 0;
    await writeFile(join(folder, NAMES[0]), new Uint8Array(length));
    await expect(pull(first)).rejects.toMatchObject({ kind: "usage", message: expect.stringContaining("--force") });
    expect(await readdir(folder)).toEqual([NAMES[0]]);
  });
});
