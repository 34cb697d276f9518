import { readArchitecture } from "../../shared/models/architecture.ts";
import { Problem } from "../../shared/problem.ts";
import { INDEX_FILE, type SafetensorsHeader } from "../../shared/safetensors/index.ts";
import { engineOf } from "../engine/engine.ts";
import { type Environment, limitsOf } from "../environment.ts";
import { sha256Hex } from "../objects/digest.ts";
import { cachedText, throughEdgeCache } from "../objects/edge-cache.ts";
import { manifestKey, modelKey } from "../objects/keys.ts";
import { openObject, type Representation } from "../objects/serve.ts";
import { bytesWithVerdict, readManifest, withVerdict } from "../gating/manifest-verdict.ts";
import { layersModelOf, unavailable } from "../tfjs-form/layers-model.ts";
import { readLazily } from "../fusing/lazy.ts";
import { partRange } from "../fusing/part-layout.ts";
import type { ServedModel } from "../fusing/served-model.ts";
import { findShard, shardsOf } from "../fusing/shards.ts";
import { visibilityOf } from "../fusing/visibility.ts";
import { headerOf } from "./model-header.ts";
import { formOf, MODEL_FILE, weightsFiles } from "./model-forms.ts";

/** What reading a model takes of a request. */
export interface ModelReader {
  readonly environment: Environment;
  /** Address of the request. */
  readonly url: string;
  /** Keeps the request alive until the work has ended. */
  seeThrough(work: Promise<unknown>): void;
  now(): Date;
}

const OCTETS = "application/octet-stream";
const JSON_TEXT = "application/json";

/**
 * A file of a model, in whichever form its name says. The bytes and the entity tag are the same before and after the
 * model is stored.
 * @returns undefined where no model, or not this one, has a file of this name
 * @throws Problem `form-unavailable` where the model cannot be had in this form, `not-materialized` for the manifest of
 *   a model that is not stored
 */
export async function openModelFile(
  reader: ModelReader,
  served: ServedModel,
  file: string,
): Promise<Representation | undefined> {
  const form = formOf(file);
  if (form === undefined) return undefined;
  const { id, bytes, dataOffset } = fileOf(served);
  const { shardBytes } = limitsOf(reader.environment);
  switch (form.kind) {
    case "model":
      await refuseWhole(reader, served);
      return binaryOf(reader, served, { etag: `model-${id}`, sha256: digestsOf(served).sha256, begin: 0, end: bytes });
    case "manifest":
      return manifestOf(reader, served);
    case "config":
      return textOf(reader, served, file, configText);
    case "topology":
      return textOf(reader, served, `${shardBytes}/${file}`, (header) => topologyText(reader, header, shardBytes));
    case "index":
      return textOf(reader, served, `${shardBytes}/${file}`, async (header) => {
        const { index } = shardsOf(header, shardBytes);
        if (index === undefined) throw new Problem("not-found", "The model is one file, and has no index.");
        return index.json;
      });
    case "weights": {
      requireWeightsForm(served);
      const parts = weightsFiles(bytes - dataOffset, shardBytes);
      if (parts.length > 1) throw tooLargeForOne(file, { id, form: "model.json" });
      const { dataSha256 } = digestsOf(served);
      return binaryOf(reader, served, { etag: `weights-${id}`, sha256: dataSha256, begin: dataOffset, end: bytes });
    }
    case "weights-part": {
      requireWeightsForm(served);
      const dataBytes = bytes - dataOffset;
      if (!weightsFiles(dataBytes, shardBytes).includes(file) || form.parts === 1) return undefined;
      const { begin, end } = partRange(dataBytes, shardBytes, form.part);
      const etag = `weights-${id}-${form.part}-${shardBytes}`;
      return binaryOf(reader, served, { etag, sha256: undefined, begin: dataOffset + begin, end: dataOffset + end });
    }
    case "shard":
      return shardOf(reader, served, file, shardBytes);
    default:
      return form satisfies never;
  }
}

/** Names of the files that a model has, as a repository lists them. */
export async function modelFileNames(reader: ModelReader, served: ServedModel): Promise<readonly string[]> {
  const { bytes, dataOffset } = fileOf(served);
  const { shardBytes } = limitsOf(reader.environment);
  const { shards, index } = shardsOf(await headerOf(reader.environment, served), shardBytes);
  const candidates = [
    "config.json",
    ...(served.kind === "stored" ? ["manifest.json"] : []),
    ...(index === undefined ? [MODEL_FILE] : [...shards.map(({ file }) => file), INDEX_FILE]),
  ];
  const names = [];
  for (const name of candidates) {
    if (await isAvailable(() => openModelFile(reader, served, name))) names.push(name);
  }
  const hasTopology = await isAvailable(() => openModelFile(reader, served, "model.json"));
  return hasTopology ? [...names, "model.json", ...weightsFiles(bytes - dataOffset, shardBytes)] : names;
}

async function isAvailable(open: () => Promise<Representation | undefined>): Promise<boolean> {
  try {
    return (await open()) !== undefined;
  } catch (error) {
    if (error instanceof Problem && error.code === "form-unavailable") return false;
    throw error;
  }
}

function fileOf(served: ServedModel) {
  return served.kind === "stored" ? served.record : served.fusion;
}

function isPublic(served: ServedModel): boolean {
  return visibilityOf(served) === "public";
}

/** Digests of the file and of its data section, where they are known. */
function digestsOf(served: ServedModel): { sha256: string | undefined; dataSha256: string | undefined } {
  if (served.kind === "computed") return { sha256: undefined, dataSha256: undefined };
  return { sha256: served.record.sha256, dataSha256: served.record.dataSha256 ?? undefined };
}

function requireWeightsForm(served: ServedModel): void {
  const hasForm = served.kind === "computed" ? served.fusion.hasWeightsForm : served.record.dataSha256 !== null;
  if (!hasForm) throw unavailable("TF.js reads float32 and float16 weights, not those of this model.");
}

/** CDNs keep no files above some 500 MB; a Hugging Face repository that has an index has no whole file either. */
async function refuseWhole({ environment }: ModelReader, served: ServedModel): Promise<void> {
  const { id, bytes, dataOffset } = fileOf(served);
  const { shardBytes } = limitsOf(environment);
  // Most models are small: that is seen without their header.
  if (bytes - dataOffset <= shardBytes) return;
  const { index } = shardsOf(await headerOf(environment, served), shardBytes);
  if (index !== undefined) throw tooLargeForOne(MODEL_FILE, { id, form: INDEX_FILE });
}

function tooLargeForOne(file: string, { id, form }: { id: string; form: string }): Problem {
  const index = `/models/${id}/${form}`;
  return new Problem("form-unavailable", `${file} is too large for one file; ${index} names the files it comes in.`, {
    model: id,
    index,
  });
}

interface Section {
  readonly etag: string;
  readonly sha256: string | undefined;
  /** Absolute in model.safetensors. */
  readonly begin: number;
  readonly end: number;
}

/** A run of model.safetensors: itself, or a view of it that is stored no second time. */
function binaryOf(reader: ModelReader, served: ServedModel, section: Section): Representation {
  const { etag, sha256, begin, end } = section;
  const bytes = end - begin;
  const open = cacheableOpen(reader, served, `${begin}-${end}`, bytes, opener(reader, served, begin));
  return { contentType: OCTETS, isPublic: isPublic(served), etag, sha256, bytes, open };
}

/** Opens ranges of what begins at `offset` of model.safetensors. */
function opener(reader: ModelReader, served: ServedModel, offset: number): Representation["open"] {
  const { environment, seeThrough, now } = reader;
  if (served.kind === "stored") return openObject(environment.BUCKET, modelKey(served.record.id), offset);
  return ({ begin, end }) =>
    readLazily({
      environment,
      fusion: served.fusion,
      range: { begin: offset + begin, end: offset + end },
      seeThrough,
      now,
    });
}

/** @param name of the bytes, among those made of the same model.safetensors */
function cacheableOpen(
  reader: ModelReader,
  served: ServedModel,
  name: string,
  bytes: number,
  open: Representation["open"],
): Representation["open"] {
  if (served.kind !== "stored" || !isPublic(served)) return open;
  const key = `/${served.record.sha256}/${name}`;
  return throughEdgeCache(reader, { key, bytes, contentType: OCTETS, open });
}

function manifestOf({ environment }: ModelReader, served: ServedModel): Representation {
  if (served.kind !== "stored") {
    const { id, state } = served.fusion;
    throw new Problem("not-materialized", `Model ${id} is not stored yet; its plan says what is known beforehand.`, {
      model: id,
      state,
      plan: `/v1/fusions/${id}/plan`,
    });
  }
  const { id, manifestBytes: bytes, manifestSha256: sha256, verdict } = served.record;
  const facts = { contentType: JSON_TEXT, isPublic: isPublic(served) };
  if (verdict === null) return { ...facts, bytes, sha256, open: openObject(environment.BUCKET, manifestKey(id)) };
  return {
    ...facts,
    bytes: bytesWithVerdict(bytes, verdict),
    sha256: verdict.sha256,
    open: async ({ begin, end }) => withVerdict(await readManifest(environment.BUCKET, id), verdict).slice(begin, end),
  };
}

async function shardOf(
  reader: ModelReader,
  served: ServedModel,
  file: string,
  shardBytes: number,
): Promise<Representation | undefined> {
  const header = await headerOf(reader.environment, served);
  const shards = shardsOf(header, shardBytes);
  const { seeThrough } = reader;
  const isStored = served.kind === "stored";
  const found = findShard(header, shards, file, { openWhole: opener(reader, served, 0), isStored, seeThrough });
  if (found === undefined) return undefined;
  const etag = `model-${fileOf(served).id}-${file}-${shardBytes}`;
  const open = cacheableOpen(reader, served, `${shardBytes}/${file}`, found.bytes, found.open);
  return { contentType: OCTETS, isPublic: isPublic(served), etag, sha256: undefined, bytes: found.bytes, open };
}

/** A text that is made of the model's header. */
async function textOf(
  reader: ModelReader,
  served: ServedModel,
  name: string,
  make: (header: SafetensorsHeader) => Promise<string>,
): Promise<Representation> {
  const build = async () => make(await headerOf(reader.environment, served));
  const isCached = served.kind === "stored" && isPublic(served);
  const text = isCached ? await cachedText(reader, `/${served.record.sha256}/${name}`, build) : await build();
  const json = new TextEncoder().encode(text);
  return {
    contentType: JSON_TEXT,
    isPublic: isPublic(served),
    bytes: json.length,
    sha256: await sha256Hex(json),
    open: async ({ begin, end }) => json.slice(begin, end),
  };
}

/** The architecture as Hugging Face's clients look for it. */
async function configText({ metadata }: SafetensorsHeader): Promise<string> {
  try {
    const architecture = readArchitecture(metadata);
    return JSON.stringify({ model_type: architecture.architecture, ...architecture });
  } catch (error) {
    throw error instanceof Problem ? unavailable(error.message) : error;
  }
}

async function topologyText(
  { environment }: ModelReader,
  header: SafetensorsHeader,
  shardBytes: number,
): Promise<string> {
  await engineOf(limitsOf(environment).memoryBudgetBytes);
  const model = layersModelOf(header);
  const dataBytes = header.tensors.reduce((end, tensor) => Math.max(end, tensor.end), 0);
  const [group] = model.weightsManifest;
  const weightsManifest = [{ ...group, paths: weightsFiles(dataBytes, shardBytes) }];
  return JSON.stringify({ ...model, weightsManifest });
}
