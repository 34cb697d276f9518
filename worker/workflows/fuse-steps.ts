import type { ProblemDocument } from "../../shared/api/problem.ts";
import {
  emptyObservations,
  type FusionEngine,
  type FusionStatistics,
  fusionReport,
  fuseRange,
  mergeObservations,
  needsStatistics,
} from "../../shared/fusion/index.ts";
import type { ModelId } from "../../shared/identity.ts";
import { Problem } from "../../shared/problem.ts";
import { listParts, type PartRecord, recordPart } from "../catalog/fusion-parts.ts";
import { endFusion, findFusion, recordUpload, touchFusion } from "../catalog/fusions.ts";
import { findModel } from "../catalog/models.ts";
import { Breather } from "../engine/breather.ts";
import { engineOf } from "../engine/engine.ts";
import { type Environment, limitsOf } from "../environment.ts";
import { abortUpload } from "../fusing/background.ts";
import { partCount, partRange } from "../fusing/part-layout.ts";
import { pour } from "../fusing/pour.ts";
import { type PreparedFusion, prepareFusion } from "../fusing/prepare.ts";
import { discardModel, publishModel } from "../fusing/publish.ts";
import { findStatistics } from "../fusing/statistics.ts";
import { discardScratch, gatherRange, mergeRanges, statisticsRanges } from "../fusing/statistics-steps.ts";
import { PassingDigest } from "../objects/digest.ts";
import { modelKey } from "../objects/keys.ts";
import { problemDocument } from "../problems/render.ts";
import { hasWeightsForm } from "../tfjs-form/layers-model.ts";
import { Heartbeat } from "./heartbeat.ts";
import { Superseded } from "./outcome.ts";

export interface StepContext {
  readonly environment: Environment;
  readonly id: ModelId;
  readonly attempt: number;
  readonly started: Date;
  now(): Date;
}

/** What the first step froze, as plain JSON. */
export interface FuseJob {
  readonly uploadId: string;
  readonly bytes: number;
  readonly partBytes: number;
  /** Version of each object that is read. */
  readonly etags: Readonly<Record<string, string>>;
  /** Steps of statistics; 0 where none are needed, or they are there already. */
  readonly statisticsRanges: number;
}

/**
 * Plans over the inputs' versions that the fusion was requested for, and opens the multipart upload or takes over an
 * earlier attempt's: its parts and the new ones are of one file.
 * @throws Problem `input-changed` where a version is not there any more
 */
export async function beginAttempt(context: StepContext): Promise<FuseJob> {
  const { environment, id } = context;
  const { BUCKET, CATALOG } = environment;
  await stayCurrent(context);
  const fusion = await findFusion(CATALOG, id);
  if (fusion === undefined) throw new Superseded();
  const { plan, etags } = await prepareFusion(environment, fusion.recipe, fusion.etags);
  const needs = needsStatistics(plan) && (await findStatistics(BUCKET, id)) === undefined;
  return {
    uploadId: fusion.uploadId ?? (await openUpload(context)),
    bytes: fusion.bytes,
    partBytes: fusion.partBytes,
    etags,
    statisticsRanges: needs ? statisticsRanges(fusion.bytes).length : 0,
  };
}

/** Opens a multipart upload and records it. One that could not be recorded is taken back at once. */
async function openUpload({ environment: { BUCKET, CATALOG }, id, attempt }: StepContext): Promise<string> {
  const upload = await BUCKET.createMultipartUpload(modelKey(id));
  try {
    if (await recordUpload(CATALOG, { id, attempt }, upload.uploadId)) return upload.uploadId;
  } catch (error) {
    // It may have been recorded, and only the catalog's answer be lost; then the step's next run takes it up.
    if ((await findFusion(CATALOG, id))?.uploadId !== upload.uploadId) await upload.abort();
    throw error;
  }
  await upload.abort();
  const fusion = await findFusion(CATALOG, id);
  if (fusion?.attempt !== attempt || fusion.uploadId === null) throw new Superseded();
  return fusion.uploadId;
}

export async function gatherStep(context: StepContext, job: FuseJob, index: number): Promise<void> {
  const { plan } = await preparedFor(context, job);
  const heartbeat = new Heartbeat(context);
  await gatherRange(context.environment, {
    id: context.id,
    plan,
    index,
    onProgress: () => heartbeat.beatBehind(),
  });
}

export async function mergeStep(context: StepContext, job: FuseJob): Promise<void> {
  await stayCurrent(context);
  if ((await findStatistics(context.environment.BUCKET, context.id)) !== undefined) {
    // An earlier run of this step may have ended before it had cleared up.
    await discardScratch(context.environment.BUCKET, context.id);
    return;
  }
  await mergeRanges(context.environment, context.id, job.statisticsRanges);
}

/** Makes the parts of a group that are not in the journal yet. */
export async function makeParts(
  context: StepContext,
  job: FuseJob,
  { first, last }: { first: number; last: number },
): Promise<Omit<PartRecord, "bytes">[]> {
  const { environment, id } = context;
  const prepared = await preparedFor(context, job);
  const engine = await engineOf(limitsOf(environment).memoryBudgetBytes);
  const statistics = await requireStatistics(context, prepared);
  const journal = await listParts(environment.CATALOG, id, job.uploadId, first, last);
  const parts = new Map(journal.map((part) => [part.number, part]));
  for (let number = first; number <= last; number++) {
    if (parts.has(number)) continue;
    const part = await makePart(context, job, { prepared, engine, statistics, number });
    const isCurrent = await recordPart(
      environment.CATALOG,
      { id, attempt: context.attempt, uploadId: job.uploadId },
      part,
      context.now().toISOString(),
    );
    if (!isCurrent) throw new Superseded();
    parts.set(number, part);
  }
  return [...parts.values()].map(({ number, etag, sha256, observations }) => ({ number, etag, sha256, observations }));
}

async function makePart(
  context: StepContext,
  { uploadId, bytes, partBytes }: FuseJob,
  {
    prepared: { plan },
    engine,
    statistics,
    number,
  }: { prepared: PreparedFusion; engine: FusionEngine; statistics: FusionStatistics | undefined; number: number },
): Promise<PartRecord> {
  const { environment, id } = context;
  const { begin, end } = partRange(bytes, partBytes, number);
  const observations = emptyObservations(plan);
  const heartbeat = new Heartbeat(context);
  const digest = new PassingDigest();
  const upload = environment.BUCKET.resumeMultipartUpload(modelKey(id), uploadId);
  try {
    const { etag } = await pour(
      fuseRange(plan, engine, { begin, end, observations, ...(statistics === undefined ? {} : { statistics }) }),
      end - begin,
      (body) => upload.uploadPart(number, body),
      (chunk) => Promise.all([digest.write(chunk), heartbeat.beat()]).then(() => undefined),
    );
    return { number, etag, sha256: await digest.finish(), bytes: end - begin, observations };
  } catch (error) {
    digest.abandon();
    throw error;
  }
}

/** Completes the upload; where an earlier run of this step did, the object is there. */
export async function completeUpload(context: StepContext, job: FuseJob): Promise<void> {
  const { BUCKET, CATALOG } = context.environment;
  await stayCurrent(context);
  const parts = await listParts(CATALOG, context.id, job.uploadId);
  if (parts.length !== partCount(job.bytes, job.partBytes)) throw new Error(`${parts.length} parts are in the journal`);
  const key = modelKey(context.id);
  try {
    await BUCKET.resumeMultipartUpload(key, job.uploadId).complete(
      parts.map(({ number, etag }) => ({ partNumber: number, etag })),
    );
  } catch (error) {
    if ((await BUCKET.head(key))?.size !== job.bytes) throw error;
  }
  try {
    await stayCurrent(context);
  } catch (error) {
    // Whatever else went wrong, the step runs again, and finds the object.
    if (error instanceof Superseded) await discardModel(context.environment, context.id);
    throw error;
  }
}

/** Reads the object through once for its digests, then publishes it. */
export async function sealModel(context: StepContext, job: FuseJob): Promise<{ sha256: string }> {
  const { environment, id, attempt, started, now } = context;
  const known = await findModel(environment.CATALOG, id);
  if (known !== undefined) return { sha256: known.sha256 };
  const prepared = await preparedFor(context, job);
  const { plan } = prepared;
  const statistics = await requireStatistics(context, prepared);
  const parts = await listParts(environment.CATALOG, id, job.uploadId);
  const digests = await digestObject(context, job, plan.layout.dataOffset, hasWeightsForm(plan.layout));
  const observations = mergeObservations(
    plan,
    parts.map((part) => part.observations),
  );
  const published = await publishModel(environment, {
    ...digests,
    partSha256: parts.map(({ sha256 }) => sha256),
    report: fusionReport(plan, observations),
    id,
    prepared,
    statistics,
    partBytes: job.partBytes,
    // An attempt enters its model only beside its fusion, which says what it is.
    visibility: "private",
    path: "workflow",
    started,
    ended: now(),
    attempt,
  });
  if (published === undefined) throw new Superseded();
  return { sha256: published.record.sha256 };
}

async function digestObject(
  context: StepContext,
  job: FuseJob,
  dataOffset: number,
  hasData: boolean,
): Promise<{ sha256: string; dataSha256: string | null }> {
  const object = await context.environment.BUCKET.get(modelKey(context.id));
  if (object === null || object.size !== job.bytes) throw new Error("the completed object is not there");
  const whole = new PassingDigest();
  const data = hasData ? new PassingDigest() : undefined;
  const breather = new Breather();
  const heartbeat = new Heartbeat(context);
  let at = 0;
  for await (const chunk of object.body as ReadableStream<Uint8Array>) {
    const inData = chunk.subarray(Math.max(0, Math.min(chunk.length, dataOffset - at)));
    at += chunk.length;
    await Promise.all([whole.write(chunk), data?.write(inData)]);
    await Promise.all([breather.breathe(), heartbeat.beat()]);
  }
  return { sha256: await whole.finish(), dataSha256: data === undefined ? null : await data.finish() };
}

/** Leaves nothing behind, and says why the fusion failed. */
export async function abandonAttempt(
  { environment, id, attempt, now }: StepContext,
  end: { uploadId: string | null; problem: ProblemDocument | undefined; cause: string; isSuperseded: boolean },
): Promise<void> {
  const { BUCKET, CATALOG } = environment;
  if (!end.isSuperseded) {
    if (end.problem === undefined) {
      console.error(JSON.stringify({ level: "error", code: "internal", fusion: id, cause: end.cause }));
    }
    const problem =
      end.problem ??
      problemDocument(
        new Problem("internal", "Something failed inside edgefuse, again and again; its log says what."),
        `/v1/fusions/${id}`,
      );
    await endFusion(CATALOG, id, { state: "failed", problem, attempt, at: now().toISOString() });
  }
  const fusion = await findFusion(CATALOG, id);
  // Another attempt may have taken the upload over.
  if (end.uploadId !== null && fusion?.uploadId !== end.uploadId) await abortUpload(BUCKET, id, end.uploadId);
  if (fusion === undefined || fusion.state === "failed" || fusion.state === "cancelled") {
    await discardScratch(BUCKET, id);
    await discardModel(environment, id);
  }
}

/** @throws Superseded where the fusion was cancelled, or is another attempt's */
async function stayCurrent({ environment, id, attempt, now }: StepContext): Promise<void> {
  if (!(await touchFusion(environment.CATALOG, { id, attempt }, now().toISOString()))) throw new Superseded();
}

/** The plan again, from the same versions of the inputs. Planning reads headers only, and a plan is no plain JSON. */
async function preparedFor(context: StepContext, { etags }: FuseJob): Promise<PreparedFusion> {
  await stayCurrent(context);
  const fusion = await findFusion(context.environment.CATALOG, context.id);
  if (fusion === undefined) throw new Superseded();
  return prepareFusion(context.environment, fusion.recipe, etags);
}

async function requireStatistics(
  { environment, id }: StepContext,
  { plan }: PreparedFusion,
): Promise<FusionStatistics | undefined> {
  if (!needsStatistics(plan)) return undefined;
  const statistics = await findStatistics(environment.BUCKET, id);
  if (statistics === undefined) throw new Error("the statistics were there a moment ago");
  return statistics;
}
