import type { CheckpointId } from "../identity.ts";
import { Problem } from "../problem.ts";
import {
  layoutShards,
  parseHeader,
  parseShardIndex,
  readHeaderLength,
  type SafetensorsHeader,
  type ShardIndex,
} from "../safetensors/index.ts";
import { readExactly } from "./read-input.ts";
import type { ByteSource, FusionInput } from "./source.ts";

/** A run of bytes of a file, as a piece of a virtual one. */
export interface SourcePiece {
  readonly source: ByteSource;
  /** Where the piece begins in its own file. */
  readonly offset: number;
  readonly length: number;
}

/** A file in several: pieces one behind the other. A range is one read of each piece that it touches, in order. */
export class ConcatenatedSource implements ByteSource {
  readonly length: number;
  readonly #pieces: readonly (SourcePiece & { readonly begin: number })[];

  constructor(pieces: readonly SourcePiece[]) {
    let begin = 0;
    this.#pieces = pieces.flatMap((piece) => {
      const placed = { ...piece, begin };
      begin += piece.length;
      return piece.length === 0 ? [] : [placed];
    });
    this.length = begin;
  }

  async read(begin: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
    if (end > this.length) {
      throw new Problem("truncated-file", `The files together have ${this.length} bytes; byte ${end} is beyond them.`);
    }
    if (begin >= end) return new Uint8Array(0);
    const first = this.#pieceAt(begin);
    const whole = this.#pieces[first];
    if (whole !== undefined && end <= whole.begin + whole.length) return readPiece(whole, begin, end);
    const bytes = new Uint8Array(end - begin);
    for (let index = first; index < this.#pieces.length; index++) {
      const piece = this.#pieces[index];
      if (piece === undefined || piece.begin >= end) break;
      const from = Math.max(begin, piece.begin);
      bytes.set(await readPiece(piece, from, Math.min(end, piece.begin + piece.length)), from - begin);
    }
    return bytes;
  }

  /** Index of the last piece that begins at the byte or before it. */
  #pieceAt(byte: number): number {
    let low = 0;
    let high = this.#pieces.length;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if ((this.#pieces[middle]?.begin ?? 0) <= byte) low = middle;
      else high = middle;
    }
    return low;
  }
}

function readPiece(
  { source, offset, begin }: SourcePiece & { readonly begin: number },
  from: number,
  to: number,
): Promise<Uint8Array<ArrayBuffer>> {
  return readExactly(source, offset + from - begin, offset + to - begin);
}

/** Bytes held in memory, as a source. */
export function sourceOfBytes(bytes: Uint8Array<ArrayBuffer>): ByteSource {
  return { read: (begin, end) => Promise.resolve(bytes.slice(begin, end)) };
}

/** One file of a sharded checkpoint. */
export interface Shard {
  readonly header: SafetensorsHeader;
  readonly source: ByteSource;
}

/**
 * A sharded checkpoint as one input: a header as if all tensors were in one safetensors file, and a source that maps its
 * ranges, header included, to the shards.
 * @param id name of the whole; the caller's choice, as the one file need not exist
 * @param shards by file name
 * @throws Problem `malformed-index` where index and shards contradict each other
 */
export function shardedInput(id: CheckpointId, index: ShardIndex, shards: ReadonlyMap<string, Shard>): FusionInput {
  const layout = layoutShards(index, new Map(Array.from(shards, ([file, { header }]) => [file, header])));
  const pieces = index.files.flatMap((file): SourcePiece[] => {
    const shard = shards.get(file);
    if (shard === undefined) return [];
    const { dataOffset, fileLength } = shard.header;
    return [{ source: shard.source, offset: dataOffset, length: fileLength - dataOffset }];
  });
  const header = { source: sourceOfBytes(layout.headerBytes), offset: 0, length: layout.dataOffset };
  return { id, header: layout, source: new ConcatenatedSource([header, ...pieces]) };
}

/** Bytes that hold the header of most shards, so that one read is enough for them. */
const FIRST_READ_BYTES = 64 * 1024;

/**
 * Opens the shards that an index names, one after the other, and makes one input of them.
 * @param index the bytes of `model.safetensors.index.json`
 * @param open opens a shard by its file name, which is safe: no folder, no `..`
 * @throws Problem `malformed-index`, `malformed-safetensors`, `truncated-file`; whatever `open` throws
 */
export async function readShardedInput(
  id: CheckpointId,
  index: Uint8Array,
  open: (file: string) => Promise<{ readonly source: ByteSource; readonly size: number }>,
): Promise<FusionInput> {
  const parsed = parseShardIndex(index);
  const shards = new Map<string, Shard>();
  for (const file of parsed.files) {
    const { source, size } = await open(file);
    const first = await readExactly(source, 0, Math.min(size, FIRST_READ_BYTES));
    const end = 8 + readHeaderLength(first, size);
    const json = end <= first.length ? first.subarray(8, end) : await readExactly(source, 8, end);
    shards.set(file, { header: parseHeader(json, size), source });
  }
  return shardedInput(id, parsed, shards);
}
