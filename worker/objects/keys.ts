import type { CheckpointId, ModelId, ProbeId, ShardId, TopologyId } from "../../shared/identity.ts";

/** Where things lie in the bucket. Names say the content, so no object ever changes. */
export const checkpointKey = (id: CheckpointId) => `checkpoints/${id}.safetensors`;
export const shardKey = (id: ShardId) => `shards/${id}.safetensors`;
export const modelKey = (id: ModelId) => `models/${id}/model.safetensors`;
export const manifestKey = (id: ModelId) => `models/${id}/manifest.json`;
export const statisticsKey = (id: ModelId) => `models/${id}/statistics.json`;
export const probeKey = (id: ProbeId) => `probes/${id}.json`;
export const topologyKey = (id: TopologyId) => `topologies/${id}.json`;
export const chartKey = (id: ProbeId) => `probes/${id}.svg`;

/** Where an upload of unknown digest waits until it is whole. */
export const stagingKey = (name: string) => `staging/${name}`;

/** Where S3 clients may put files whose digest they do not know. */
export const INCOMING_PREFIX = "incoming/";

/** The digest that a key of the form `<folder>/<sha256>.safetensors` announces. */
export function announcedDigest(folder: "checkpoints" | "shards", key: string): string | undefined {
  const match = /^(checkpoints|shards)\/([0-9a-f]{64})\.safetensors$/.exec(key);
  return match?.[1] === folder ? match[2] : undefined;
}
