import { readFile } from "node:fs/promises";
import { shardId, type ShardId } from "../../shared/identity.ts";
import { asFailure, Failure } from "../failure.ts";
import type { ByteProgress } from "../fusing/byte-progress.ts";
import { type EvaluationValues, formFromOption, parseDataset } from "../probing/evaluation-values.ts";
import { shardPaths } from "../probing/local-shards.ts";
import type { EvaluationFacts } from "../probing/probe-request.ts";
import { exists } from "../storage/atomic-file.ts";
import type { RemoteWorker } from "./connect.ts";
import { uploadShard } from "./upload-shard.ts";

/**
 * What a line says of the evaluation, in a request's words: shards and topologies of this machine are uploaded first.
 * @throws Failure
 */
export async function evaluationFacts(
  worker: RemoteWorker,
  values: EvaluationValues,
  progress: ByteProgress,
): Promise<EvaluationFacts> {
  if (values["data-dir"] !== undefined) {
    throw new Failure("usage", "--data-dir is for datasets of this machine; a worker's --dataset is a name.");
  }
  const form = await formFromOption(values.as);
  const data = values.dataset === undefined ? undefined : parseDataset(values.dataset);
  const find = (given: string) => findShard(worker, given, progress);
  const shards: ShardId[] = [];
  for (const given of await shardPaths(values.shards)) shards.push(await find(given));
  const calibration = values.calibration === undefined ? undefined : await find(values.calibration);
  const topology = values.topology === undefined ? undefined : await uploadTopology(worker, values.topology);
  return {
    ...(data ?? { shards }),
    statistics: values.statistics,
    ...(calibration === undefined ? {} : { calibration }),
    ...(form === undefined && topology === undefined
      ? {}
      : { as: { ...form, ...(topology === undefined ? {} : { topology }) } }),
    ...(values.batch === undefined ? {} : { batch: values.batch }),
  };
}

async function findShard(worker: RemoteWorker, given: string, progress: ByteProgress): Promise<ShardId> {
  const id = shardId.safeParse(given);
  if (id.success && !(await exists(given))) return id.data;
  return (await uploadShard(worker, given, { progress })).id;
}

async function uploadTopology({ client, ask }: RemoteWorker, path: string) {
  let modelJson: unknown;
  try {
    modelJson = JSON.parse(await readFile(path, "utf8"));
  } catch (error) {
    throw new Failure("bad-input", `--topology ${path}: ${asFailure(error).message}`, { cause: error });
  }
  if (typeof modelJson !== "object" || modelJson === null) {
    throw new Failure("bad-input", `--topology ${path} is no model.json.`);
  }
  return (await ask(`take the topology ${path}`, () => client.topologies.upload(modelJson))).id;
}
