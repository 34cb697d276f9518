import { lstat, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { ApiError } from "../../shared/api/index.ts";
import type { ModelId } from "../../shared/identity.ts";
import { INDEX_FILE, parseShardIndex } from "../../shared/safetensors/index.ts";
import { Failure } from "../failure.ts";
import { tfjsFiles } from "../fusing/tfjs-output.ts";
import type { RemoteWorker } from "./connect.ts";
import type { RemoteThing } from "./find-remote.ts";
import { isOwnShard } from "./own-shard.ts";
import { type PulledFile, pullFile, type PullOptions } from "./pull-file.ts";
import { digestOfShards } from "./whole-digest.ts";

const MODEL_FILE = "model.safetensors";

/** A model or checkpoint that was pulled. */
export interface Pulled {
  /** The file, the folder of a sharded model, or the `model.json` of the TF.js form. */
  readonly path: string;
  readonly files: readonly PulledFile[];
  /** Of the model as one safetensors file, where that is known. */
  readonly sha256: string | undefined;
  readonly verified: boolean;
}

/**
 * Pulls a model or checkpoint: one safetensors file; a folder with shards and their index, where the model comes in
 * shards; the TF.js form, where the output is called `model.json`.
 * @param output a file or folder; `name` is what it is called where that is left out
 * @throws Failure `usage` where the output does not fit the model; as `pullFile` does
 */
export async function pullThing(
  worker: RemoteWorker,
  thing: RemoteThing,
  { output, name }: { readonly output: string | undefined; readonly name: string },
  options: PullOptions,
): Promise<Pulled> {
  const isFolder = output !== undefined && (await isDirectory(output));
  const isSharded = thing.kind === "model" && thing.files.includes(INDEX_FILE);
  if (output !== undefined && !isFolder && tfjsFiles(output) !== undefined) {
    if (thing.kind === "model") return pullTopology(worker, thing.id, output, options);
    throw new Failure("usage", "A checkpoint has no TF.js form; give a file such as model.safetensors.");
  }
  if (isSharded) return pullShards(worker, thing.id, output ?? name, options);
  const to = output === undefined ? `${name}.safetensors` : isFolder ? join(output, MODEL_FILE) : output;
  const from = thing.kind === "model" ? modelPath(thing.id, MODEL_FILE) : `/v1/checkpoints/${thing.id}/${MODEL_FILE}`;
  const file = await pullFile(worker, from, to, options);
  return { path: to, files: [file], sha256: file.sha256, verified: file.verified };
}

const modelPath = (id: ModelId, file: string) => `/models/${id}/${file}`;

/** The index comes last, so that a folder that has one is whole. */
async function pullShards(worker: RemoteWorker, id: ModelId, folder: string, options: PullOptions): Promise<Pulled> {
  const found = await lstat(folder).catch(() => undefined);
  if (found?.isDirectory() === false || folder.endsWith(".safetensors")) {
    throw new Failure("usage", `${id} comes in several files; give a folder with -o.`);
  }
  const indexPath = modelPath(id, INDEX_FILE);
  const index = await worker.ask(`give ${indexPath}`, async () =>
    parseShardIndex(new Uint8Array(await (await worker.client.open(indexPath)).arrayBuffer())),
  );
  // No index ever goes with shards that are not its own.
  if (options.force) await rm(join(folder, INDEX_FILE), { force: true });
  const files: PulledFile[] = [];
  // Shards have no digests; all of them together have, unless nobody has read the whole model yet.
  const shardOptions = { ...options, awaitsDigest: false, recognize: (path: string) => isOwnShard(id, index, path) };
  for (const name of index.files) {
    files.push(await pullFile(worker, modelPath(id, name), join(folder, name), shardOptions));
  }
  const { signal, progress } = options;
  progress.begin(
    "checking",
    files.reduce((sum, { bytes }) => sum + bytes, 0),
  );
  const paths = files.map(({ path }) => path);
  const sha256 = await digestOfShards(paths, { signal, onProgress: (bytes) => progress.advance(bytes) });
  progress.end();
  const expected = await wholeDigest(worker, id);
  if (expected !== undefined && expected !== sha256) {
    for (const { path, bytes, kept } of files) if (kept < bytes) await rm(path, { force: true });
    throw new Failure("bad-input", `The files in ${folder} are not the shards of ${id}; pull them again with --force.`);
  }
  files.push(await pullFile(worker, indexPath, join(folder, INDEX_FILE), options));
  return { path: folder, files, sha256, verified: expected !== undefined };
}

/** The weights come first, so that no `model.json` ever goes with weights that are not its own. */
async function pullTopology(worker: RemoteWorker, id: ModelId, output: string, options: PullOptions): Promise<Pulled> {
  const from = modelPath(id, "model.json");
  const topology = await worker.ask(`give ${from}`, async () => (await worker.client.open(from)).json());
  const names = weightFilesOf(topology);
  if (options.force) await rm(output, { force: true });
  const files: PulledFile[] = [];
  for (const name of names) {
    const awaitsDigest = names.length === 1;
    files.push(await pullFile(worker, modelPath(id, name), join(dirname(output), name), { ...options, awaitsDigest }));
  }
  files.push(await pullFile(worker, from, output, options));
  return { path: output, files, sha256: undefined, verified: files.every(({ verified }) => verified) };
}

function weightFilesOf(topology: unknown): string[] {
  const { weightsManifest } = topology as { weightsManifest?: readonly { readonly paths?: readonly unknown[] }[] };
  const names = (weightsManifest ?? []).flatMap(({ paths = [] }) => paths);
  return names.map((name) => {
    if (typeof name === "string" && name === basename(name) && name !== "" && name !== "..") return name;
    throw new Failure("refused", `model.json names ${JSON.stringify(name)}, which is no file name.`);
  });
}

/** Digest of the model as one file; undefined while it is not stored. */
async function wholeDigest(worker: RemoteWorker, id: ModelId): Promise<string | undefined> {
  return worker.ask(`give the manifest of ${id}`, async () => {
    try {
      return (await worker.client.fetchManifest(id)).sha256;
    } catch (error) {
      if (error instanceof ApiError && error.code === "not-materialized") return undefined;
      throw error;
    }
  });
}

/** The manifest of a model, as the worker has it. */
export async function readManifest(worker: RemoteWorker, id: ModelId): Promise<Uint8Array<ArrayBuffer>> {
  return worker.ask(`give the manifest of ${id}`, async () => {
    const response = await worker.client.open(modelPath(id, "manifest.json"));
    return new Uint8Array(await response.arrayBuffer());
  });
}

async function isDirectory(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}
