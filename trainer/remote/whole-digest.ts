import { createHash } from "node:crypto";
import {
  layoutInOrder,
  parseHeader,
  readHeaderLength,
  type SafetensorsHeader,
  type TensorInfo,
} from "../../shared/safetensors/index.ts";
import { type OpenFile, openFile } from "../fusing/file-source.ts";

const READ_BYTES = 4 * 1024 * 1024;

/**
 * SHA-256 of the one file that a model's shards amount to: their tensors follow each other there as they do here, behind
 * one header.
 * @param paths of the shards, in their order
 * @param onProgress called with the bytes read since the last call
 */
export async function digestOfShards(
  paths: readonly string[],
  { signal, onProgress }: { readonly signal: AbortSignal; readonly onProgress: (bytes: number) => void },
): Promise<string> {
  const files: OpenFile[] = [];
  try {
    const tensors: TensorInfo[] = [];
    const sections: { readonly file: OpenFile; readonly begin: number }[] = [];
    let metadata: Readonly<Record<string, string>> = {};
    let offset = 0;
    for (const path of paths) {
      const file = await openFile(path);
      files.push(file);
      const header = await readHeader(file);
      ({ metadata } = header);
      for (const { begin, end, ...tensor } of header.tensors) {
        tensors.push({ ...tensor, begin: offset + begin, end: offset + end });
      }
      offset += header.fileLength - header.dataOffset;
      sections.push({ file, begin: header.dataOffset });
    }
    const hash = createHash("sha256").update(layoutInOrder(tensors, metadata).headerBytes);
    for (const { file, begin } of sections) {
      for (let at = begin; at < file.bytes; at += READ_BYTES) {
        signal.throwIfAborted();
        const chunk = await file.read(at, Math.min(file.bytes, at + READ_BYTES));
        hash.update(chunk);
        onProgress(chunk.length);
      }
    }
    return hash.digest("hex");
  } finally {
    await Promise.all(files.map((file) => file.close()));
  }
}

async function readHeader(file: OpenFile): Promise<SafetensorsHeader> {
  const length = readHeaderLength(await file.read(0, Math.min(8, file.bytes)), file.bytes);
  return parseHeader(await file.read(8, 8 + length), file.bytes);
}
