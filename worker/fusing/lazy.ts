import {
  defaultChunkBytes,
  emptyObservations,
  type FusionEngine,
  type FusionStatistics,
  fuseRange,
} from "../../shared/fusion/index.ts";
import type { ModelId } from "../../shared/identity.ts";
import type { FusionRecord } from "../catalog/fusions.ts";
import { engineOf } from "../engine/engine.ts";
import { type Environment, limitsOf } from "../environment.ts";
import { modelKey } from "../objects/keys.ts";
import type { ByteRange } from "../objects/range.ts";
import { partBytesOf } from "./part-layout.ts";
import { type PreparedFusion, prepareFusion } from "./prepare.ts";
import { bodyOf, primed } from "./primed.ts";
import { discardModel, publishModel } from "./publish.ts";
import { statisticsOf, storeStatistics } from "./statistics.ts";
import { storeFusion } from "./store-fusion.ts";

/** What is larger is not kept by a CDN either; a Workflow stores it. */
const LARGEST_STORED_ON_READ = 512 * 2 ** 20;
const SMALLEST_CHUNK = 16 * 1024;

/** Plans of models that are being read, so that a client that walks through one by ranges pays for the headers once. */
const plans = new Map<ModelId, PreparedFusion>();
const KEPT_PLANS = 8;
const LARGEST_KEPT_PLAN = 4096;

/** Models that a full read of this isolate is storing. */
const storing = new Set<ModelId>();

/**
 * The plan of a model that is not stored, over the versions of its inputs that it was first planned over: ranges that
 * are read years apart are ranges of one file.
 * @throws Problem as `prepareFusion` does
 */
export async function planOf(
  environment: Environment,
  { id, recipe, etags }: Pick<FusionRecord, "id" | "recipe" | "etags">,
): Promise<PreparedFusion> {
  const kept = plans.get(id);
  if (kept !== undefined) return kept;
  const prepared = await prepareFusion(environment, recipe, etags);
  if (prepared.plan.tensors.length <= LARGEST_KEPT_PLAN) {
    for (const oldest of plans.keys()) {
      if (plans.size < KEPT_PLANS) break;
      plans.delete(oldest);
    }
    plans.set(id, prepared);
  }
  return prepared;
}

export interface LazyRead {
  readonly environment: Environment;
  readonly fusion: FusionRecord;
  /** Absolute in model.safetensors. */
  readonly range: ByteRange;
  /** Keeps the request alive until the work has ended. */
  seeThrough(work: Promise<unknown>): void;
  now(): Date;
}

/**
 * Computes a range of a model that is not stored, and nothing else: what is asked for is what is read of the inputs. A
 * read of the whole stores the model on the way.
 * @throws Problem as `fuseRange` does, for what goes wrong within the first bytes; what goes wrong later breaks the body
 */
export async function readLazily(read: LazyRead): Promise<ReadableStream<Uint8Array>> {
  const { environment, fusion } = read;
  try {
    const prepared = await planOf(environment, fusion);
    const engine = await engineOf(limitsOf(environment).memoryBudgetBytes);
    const found = await statisticsOf(environment.BUCKET, fusion.id, prepared.plan, engine);
    if (found?.isStored === false) await storeStatistics(environment.BUCKET, fusion.id, found.statistics);
    const { begin, end } = read.range;
    const isWhole = begin === 0 && end === fusion.bytes;
    const stores = isWhole && fusion.state === "lazy" && end <= LARGEST_STORED_ON_READ && !storing.has(fusion.id);
    return await (stores ? readAndStore : readRange)(read, prepared, engine, found?.statistics);
  } catch (error) {
    // Perhaps an input was replaced since: the next read looks again.
    plans.delete(fusion.id);
    throw error;
  }
}

async function readRange(
  { range: { begin, end }, fusion, seeThrough }: LazyRead,
  { plan }: PreparedFusion,
  engine: FusionEngine,
  statistics: FusionStatistics | undefined,
): Promise<ReadableStream<Uint8Array>> {
  // A short range books little, so many of them fit into the budget together.
  const chunkBytes = Math.max(SMALLEST_CHUNK, Math.min(end - begin, defaultChunkBytes(plan, engine)));
  const chunks = await primed(
    fuseRange(plan, engine, { begin, end, chunkBytes, ...(statistics === undefined ? {} : { statistics }) }),
  );
  return bodyOf(forgetOnFailure(fusion.id, chunks), end - begin, seeThrough);
}

async function* forgetOnFailure(id: ModelId, chunks: AsyncIterable<Uint8Array<ArrayBuffer>>) {
  try {
    yield* chunks;
  } catch (error) {
    plans.delete(id);
    throw error;
  }
}

/** Sends the model and stores it, chunk by chunk; if the client goes away or anything fails, nothing is stored. */
async function readAndStore(
  { environment, fusion: { id, visibility }, seeThrough, now }: LazyRead,
  prepared: PreparedFusion,
  engine: FusionEngine,
  statistics: FusionStatistics | undefined,
): Promise<ReadableStream<Uint8Array>> {
  const { plan } = prepared;
  const started = now();
  const observations = emptyObservations(plan);
  const partBytes = partBytesOf(plan.layout.fileLength);
  const pipe = new FixedLengthStream(plan.layout.fileLength);
  storing.add(id);
  let chunks;
  try {
    chunks = await primed(
      fuseRange(plan, engine, { observations, ...(statistics === undefined ? {} : { statistics }) }),
    );
  } catch (error) {
    storing.delete(id);
    throw error;
  }
  const client = pipe.writable.getWriter();
  const store = async () => {
    try {
      let sent = 0;
      const mirror = async (chunk: Uint8Array) => {
        await client.write(chunk);
        sent += chunk.length;
        if (sent === plan.layout.fileLength) await client.close();
      };
      const stored = await storeFusion(environment.BUCKET, modelKey(id), {
        plan,
        chunks,
        observations,
        partBytes,
        mirror,
        discard: () => discardModel(environment, id),
      });
      const ended = now();
      const facts = { id, prepared, statistics, partBytes, visibility, started, ended };
      await publishModel(environment, { ...stored, ...facts, path: "lazy" });
    } catch (error) {
      plans.delete(id);
      await client.abort(error).catch(() => undefined);
    } finally {
      storing.delete(id);
    }
  };
  seeThrough(store());
  return pipe.readable;
}
