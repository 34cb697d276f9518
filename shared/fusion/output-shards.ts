import {
  encodeShardIndex,
  INDEX_FILE,
  layoutSafetensors,
  type SafetensorsLayout,
  type TensorInfo,
} from "../safetensors/index.ts";
import type { FusionPlan } from "./plan.ts";

/** Hugging Face's default, and the largest file that CDNs cache without a special arrangement. */
export const SHARD_BYTES = 500_000_000;

export interface OutputShard {
  /** `model-00001-of-00003.safetensors`; `model.safetensors` where there is but one. */
  readonly file: string;
  /** Where the tensors lie in this file. */
  readonly layout: SafetensorsLayout;
}

export interface OutputShards<Shard extends OutputShard = OutputShard> {
  readonly shards: readonly Shard[];
  /** The index, where there is more than one shard. */
  readonly index: { readonly file: string; readonly json: string } | undefined;
}

/**
 * Distributes the tensors of a file to shards, in the order of the file, as Hugging Face's writers do: a shard is closed
 * when the next tensor would make it too large. A tensor is never split, so one larger than `maxBytes` gets a shard of its
 * own. Every shard carries the whole metadata.
 * @param maxBytes of tensors a shard
 */
export function planOutputShards(layout: SafetensorsLayout, maxBytes = SHARD_BYTES): OutputShards {
  const groups: TensorInfo[][] = [];
  let room = 0;
  for (const tensor of layout.tensors) {
    const bytes = tensor.end - tensor.begin;
    const group = groups.at(-1);
    if (group === undefined || bytes > room) {
      groups.push([tensor]);
      room = maxBytes - bytes;
    } else {
      group.push(tensor);
      room -= bytes;
    }
  }
  if (groups.length === 0) groups.push([]);
  const shards = groups.map((group, index) => ({
    file: shardName(index, groups.length),
    layout: layoutSafetensors(group, layout.metadata),
  }));
  if (shards.length === 1) return { shards, index: undefined };
  const json = encodeShardIndex(shards.map(({ file, layout: { tensors } }) => ({ file, tensors })));
  return { shards, index: { file: INDEX_FILE, json } };
}

function shardName(index: number, count: number): string {
  return count === 1 ? "model.safetensors" : `model-${digits(index + 1)}-of-${digits(count)}.safetensors`;
}

function digits(number: number): string {
  return String(number).padStart(5, "0");
}

/**
 * The same for a fusion: each shard with a plan that holds its tensors alone, so that `fuseRange` yields any range of any
 * shard, and the tensors' bytes are those of the unsharded file. Statistics are gathered with the whole plan, once.
 */
export function planFusionShards(
  plan: FusionPlan,
  maxBytes = SHARD_BYTES,
): OutputShards<OutputShard & { readonly plan: FusionPlan }> {
  const { shards, index } = planOutputShards(plan.layout, maxBytes);
  const planned = new Map(plan.tensors.map((tensor) => [tensor.name, tensor]));
  return {
    index,
    shards: shards.map(({ file, layout }) => {
      const tensors = layout.tensors.flatMap(({ name, begin }) => {
        const tensor = planned.get(name);
        return tensor === undefined ? [] : [{ ...tensor, outputBegin: layout.dataOffset + begin }];
      });
      const elements = tensors.reduce((sum, tensor) => sum + tensor.elements, 0);
      return { file, layout, plan: { ...plan, layout, tensors, elements } };
    }),
  };
}
