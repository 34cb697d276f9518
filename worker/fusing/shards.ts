import { type OutputShards, planOutputShards } from "../../shared/fusion/output-shards.ts";
import type { SafetensorsHeader } from "../../shared/safetensors/index.ts";
import type { Representation } from "../objects/serve.ts";

export const SHARD_FILE = /^model-\d{5}-of-\d{5}\.safetensors$/;

/** One shard of a model: a header of its own, and a run of the whole file's bytes. */
export interface ModelShard {
  readonly bytes: number;
  open: Representation["open"];
}

/**
 * A model as shards. Their tensors lie in the order of the whole file, so the data of a shard is one range of it, and no
 * second copy is stored.
 */
export function shardsOf(header: SafetensorsHeader, maxBytes: number): OutputShards {
  return planOutputShards({ ...header, headerBytes: new Uint8Array(0) }, maxBytes);
}

/**
 * @param openWhole opens ranges of the whole file
 * @returns undefined where there is no such shard
 */
export function findShard(
  header: SafetensorsHeader,
  { shards }: OutputShards,
  file: string,
  openWhole: Representation["open"],
): ModelShard | undefined {
  const shard = shards.find((candidate) => candidate.file === file);
  if (shard === undefined || shards.length === 1) return undefined;
  const { layout } = shard;
  const first = layout.tensors[0]?.name;
  const place = header.tensors.find(({ name }) => name === first);
  const dataBegin = header.dataOffset + (place?.begin ?? 0);
  return {
    bytes: layout.fileLength,
    open: async ({ begin, end }) => {
      const head = layout.headerBytes.slice(begin, Math.min(end, layout.dataOffset));
      if (end <= layout.dataOffset) return head;
      const data = await openWhole({
        begin: dataBegin + Math.max(0, begin - layout.dataOffset),
        end: dataBegin + end - layout.dataOffset,
      });
      return head.length === 0 ? data : joined(head, data);
    },
  };
}

/** A few bytes, then a stream. */
function joined(
  head: Uint8Array<ArrayBuffer>,
  data: ReadableStream<Uint8Array> | Uint8Array<ArrayBuffer>,
): ReadableStream<Uint8Array> {
  const tail = data instanceof Uint8Array ? new Blob([data]).stream() : data;
  const reader = tail.getReader();
  let hasSentHead = false;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (!hasSentHead) {
        hasSentHead = true;
        controller.enqueue(head);
        return;
      }
      const { value, done } = await reader.read();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: (reason) => reader.cancel(reason),
  });
}
