import { predictorOf } from "../../shared/evaluation/evaluable.ts";
import { evaluateShard } from "../../shared/evaluation/evaluate.ts";
import type { Shard } from "../../shared/evaluation/shard.ts";
import { EdgefuseClient } from "../../shared/api/client.ts";
import { ApiError } from "../../shared/api/client/api-error.ts";
import { type CheckpointId, datasetName, modelId, type ModelId } from "../../shared/identity.ts";
import { assignWeights, buildModel, decodeWeights, readArchitecture } from "../../shared/models/index.ts";
import { decodeSafetensors } from "../../shared/safetensors/index.ts";
import { startWasmBackend } from "../../trainer/backend/wasm.ts";
import type { Dataset } from "../../trainer/data/dataset.ts";
import { shardFiles } from "../../trainer/data/slice-shards.ts";
import { Failure } from "../../trainer/failure.ts";
import { connectS3, uploadObject } from "../../trainer/storage/s3.ts";
import { familyTasks, mlpFor, REFERENCE_REGIME } from "../../trainer/training/run-family.ts";
import type { MemberProgress, TrainedMember } from "../../trainer/training/member-task.ts";
import { trainMembers } from "../../trainer/training/train-members.ts";
import type { LocalWorker } from "../local/start-worker.ts";
import type { DemoRow } from "./report.ts";

/** The regime in which unmasked pairs have a large barrier: deep, narrow, a high learning rate. */
const HIDDEN = [128, 128, 128, 128, 128, 128];
const FIXED_RATIOS = [0, 0.4, 0.8];
const SHARD_SIZE = 1000;
const MOST_ATTEMPTS = 5;
/** What the average may lack to its parents, to be published: two points of accuracy. */
export const ALLOWED_BARRIER = 0.02;

/** A pair of models to make: which one of its ratio, and how often its training has diverged so far. */
interface PairTask {
  readonly pair: number;
  readonly fixedRatio: number;
  readonly attempt: number;
}

export interface DemoRun {
  readonly pairs: number;
  readonly epochs: number;
  readonly signal: AbortSignal;
  /** Called before a round of training with the names of its models; returns who hears of their progress. */
  onRound(labels: readonly string[]): { update(progress: MemberProgress): void; finish(): void };
  notify(message: string): void;
}

/**
 * The whole path, for every pair: train two models of one family, upload them through S3, register, fuse and publish them
 * if their gate lets them pass, probe, fetch the fused model back over HTTP and evaluate it here.
 *
 * The regime is rough on purpose, and about one unmasked model in ten diverges in it. Such a pair is trained again from
 * another seed, and that is said.
 * @returns a row a pair, by pair, then by fixed ratio
 */
export async function runDemo(worker: LocalWorker, dataset: Dataset, run: DemoRun): Promise<DemoRow[]> {
  const client = new EdgefuseClient({ url: worker.url, token: worker.adminToken });
  const s3 = connectS3({ ...worker.s3, region: "auto", sessionToken: undefined });
  const upload = async (member: TrainedMember) => {
    const key = `checkpoints/${member.sha256}.safetensors`;
    await uploadObject(s3, worker.s3.bucket, key, member.file, { signal: run.signal });
    return (await client.registerCheckpoint(key)).id;
  };

  const name = datasetName.parse(dataset.name);
  const shardIds = [];
  for (const { file } of shardFiles(dataset.validation, SHARD_SIZE)) shardIds.push((await client.uploadShard(file)).id);
  await client.putDataset(name, { shards: shardIds });
  run.notify(`${dataset.validation.count} validation samples uploaded in ${shardIds.length} shards`);

  await startWasmBackend();
  const rows: Promise<DemoRow>[] = [];
  for (let pair = 1; pair <= run.pairs; pair++) {
    let pending: PairTask[] = FIXED_RATIOS.map((fixedRatio) => ({ pair, fixedRatio, attempt: 0 }));
    while (pending.length > 0) {
      const { trained, diverged } = await trainRound(dataset, pending, run);
      for (const [a, b] of trained) {
        const row = Promise.all([upload(a), upload(b)]).then((ids) =>
          fusePair(client, dataset, { pair, members: [a, b], ids }),
        );
        row.catch(() => undefined); // reported below, once the next round has been trained
        rows.push(row);
      }
      for (const { fixedRatio } of diverged) {
        run.notify(`pair ${pair} at fixed ratio ${fixedRatio} diverged; training it again from another seed`);
      }
      pending = diverged.map((task) => ({ ...task, attempt: task.attempt + 1 }));
      if (pending.some(({ attempt }) => attempt > MOST_ATTEMPTS)) {
        throw new Failure(
          "diverged",
          `Training diverged ${MOST_ATTEMPTS} times in a row; the learning rate is too high.`,
        );
      }
    }
  }
  return Promise.all(rows);
}

/** Trains the pairs of one round side by side. Tasks 2i and 2i + 1 are one family: same start, same mask, own order. */
async function trainRound(
  dataset: Dataset,
  pairs: readonly PairTask[],
  { epochs, signal, onRound }: DemoRun,
): Promise<{ trained: (readonly [TrainedMember, TrainedMember])[]; diverged: PairTask[] }> {
  const tasks = pairs.flatMap(({ pair, fixedRatio, attempt }) =>
    familyTasks({
      dataset,
      architecture: mlpFor(dataset, HIDDEN),
      seed: BigInt(100 + pair + 1000 * attempt),
      maskSeed: BigInt(200 + pair + 1000 * attempt),
      fixedRatio,
      models: 2,
      regime: { ...REFERENCE_REGIME, epochs },
    }),
  );
  const members: (TrainedMember | undefined)[] = tasks.map(() => undefined);
  const board = onRound(tasks.map(({ label }) => label));
  try {
    await trainMembers(tasks, {
      signal,
      onProgress: (progress) => board.update(progress),
      onTrained: (member, task) => void (members[task] = member),
      onDiverged: () => undefined,
    });
  } finally {
    board.finish();
  }
  const trained: (readonly [TrainedMember, TrainedMember])[] = [];
  const diverged: PairTask[] = [];
  for (const [index, pair] of pairs.entries()) {
    const [a, b] = [members[2 * index], members[2 * index + 1]];
    if (a === undefined || b === undefined) diverged.push(pair);
    else trained.push([a, b]);
  }
  return { trained, diverged };
}

/** A trained pair that the worker has. */
interface RegisteredPair {
  readonly pair: number;
  readonly members: readonly [TrainedMember, TrainedMember];
  readonly ids: readonly [CheckpointId, CheckpointId];
}

/** Fuses and probes two registered checkpoints, and judges the fused model as a stranger would: by its bytes. */
async function fusePair(
  client: EdgefuseClient,
  { name, validation }: Dataset,
  { pair, members: [first, second], ids }: RegisteredPair,
): Promise<DemoRow> {
  const dataset = datasetName.parse(name);
  // In the order of a recipe, so that the gate's probe of the parents is this one.
  const parents = ids.toSorted() as [CheckpointId, CheckpointId];
  const alias = `demo/frozen-${Math.round(100 * first.fixedRatio)}-pair-${pair}`;
  const { model, gate } = await publishPair(client, parents, { dataset, alias });
  const probe = await client.probes.create({ a: parents[0], b: parents[1], dataset });
  const file = await client.fetchModel(model);
  const { alignment } = await client.fetchManifest(model);
  return {
    fixedRatio: first.fixedRatio,
    accuracies: [first.metrics.validationAccuracy, second.metrics.validationAccuracy],
    fusedAccuracy: accuracyOf(file, validation),
    accuracyBarrier: probe.accuracyBarrier ?? Number.NaN,
    lossBarrier: probe.lossBarrier,
    alignment: first.fixedRatio === 0 ? "no mask" : alignment.verified ? "verified" : "not verified",
    gate,
    alias,
    parents,
    model,
    probe: probe.id,
    points: probe.points.map(({ alpha, loss, accuracy }) => ({ alpha, loss, accuracy: accuracy ?? Number.NaN })),
  };
}

/** Has the average published under a name if it holds what the gate asks for; made, and kept private, where it does not. */
async function publishPair(
  client: EdgefuseClient,
  parents: readonly CheckpointId[],
  { dataset, alias }: { readonly dataset: string; readonly alias: string },
): Promise<{ readonly model: ModelId; readonly gate: DemoRow["gate"] }> {
  const gate = { accuracyBarrier: { max: ALLOWED_BARRIER }, dataset };
  const recipe = { method: "linear", inputs: parents.map((checkpoint) => ({ checkpoint })) };
  try {
    const begun = await client.createFusion({ recipe, gate, alias });
    const made = await client.waitForFusion(begun.id);
    return { model: made.id, gate: made.gate?.state === "passed" ? "published" : "refused" };
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== "gate-refused") throw error;
    return { model: modelId.parse(error.problem?.["model"]), gate: "refused" };
  }
}

/** Accuracy of a safetensors file on this machine's own backend: nothing that the worker says is believed. */
function accuracyOf(file: Uint8Array<ArrayBuffer>, samples: Shard): number {
  const { header, bytes } = decodeSafetensors(file);
  const model = buildModel(readArchitecture(header.metadata));
  try {
    assignWeights(model, decodeWeights(header, bytes));
    const { correct, count } = evaluateShard(predictorOf(model), samples);
    return correct / count;
  } finally {
    model.dispose();
  }
}
