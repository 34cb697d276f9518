import { type OutputShards, planOutputShards } from "../../shared/fusion/output-shards.ts";
import type { SafetensorsHeader } from "../../shared/safetensors/index.ts";
import type { Representation } from "../objects/serve.ts";

export const SHARD_FILE = /^model-\d{5}-of-\d{5}\.safetensors$/;

/** One shard of a model: a header of its own, and a run of the whole file's bytes. */
export interface ModelShard {
  readonly bytes: number;
  open: Representation["open"];
}

/** What was cut already, by the header it was cut from: who reads shard after shard has them cut once. */
const cut = new WeakMap<SafetensorsHeader, { readonly maxBytes: number; readonly shards: OutputShards }>();

/**
 * A model as shards. Their tensors lie in the order of the whole file, so the data of a shard is one range of it, and no
 * second copy is stored.
 */
export function shardsOf(header: SafetensorsHeader, maxBytes: number): OutputShards {
  const known = cut.get(header);
  if (known?.maxBytes === maxBytes) return known.shards;
  const shards = planOutputShards({ ...header, headerBytes: new Uint8Array(0) }, maxBytes);
  cut.set(header, { maxBytes, shards });
  return shards;
}

/** How the bytes of a shard are come by. */
export interface ShardReader {
  /** Opens ranges of the whole file. */
  readonly openWhole: Representation["open"];
  /** Whether the whole file lies in the bucket, or is computed. */
  readonly isStored: boolean;
  /** Keeps the request alive until the work has ended. */
  seeThrough(work: Promise<unknown>): void;
}

/** @returns undefined where there is no such shard */
export function findShard(
  header: SafetensorsHeader,
  { shards }: OutputShards,
  file: string,
  reader: ShardReader,
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
      const data = await reader.openWhole({
        begin: dataBegin + Math.max(0, begin - layout.dataOffset),
        end: dataBegin + end - layout.dataOffset,
      });
      return head.length === 0 ? data : joined(head, data, end - begin, reader);
    },
  };
}

/**
 * A few bytes, then the rest: `length` bytes together.
 *
 * What comes from the bucket the runtime pumps by itself. What is computed comes out of a TransformStream, and the runtime
 * pipes none of those into another; it has passed through JavaScript anyway.
 */
function joined(
  head: Uint8Array<ArrayBuffer>,
  data: ReadableStream<Uint8Array> | Uint8Array<ArrayBuffer>,
  length: number,
  { isStored, seeThrough }: ShardReader,
): ReadableStream<Uint8Array> | Uint8Array<ArrayBuffer> {
  if (data instanceof Uint8Array) {
    const all = new Uint8Array(length);
    all.set(head);
    all.set(data, head.length);
    return all;
  }
  const { readable, writable } = new FixedLengthStream(length);
  const pump = async () => {
    const writer = writable.getWriter();
    try {
      await writer.write(head);
      if (!isStored) {
        for await (const chunk of data) await writer.write(chunk);
        await writer.close();
      }
    } catch (error) {
      await Promise.allSettled([writer.abort(error), data.locked ? undefined : data.cancel(error)]);
      throw error;
    } finally {
      writer.releaseLock();
    }
    if (isStored) await data.pipeTo(writable);
  };
  // The reader of the other end learns of whatever breaks it.
  seeThrough(pump().catch(() => undefined));
  return readable;
}
