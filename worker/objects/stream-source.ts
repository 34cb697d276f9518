import type { ByteSource } from "../../shared/fusion/index.ts";

const READ_BYTES = 2 ** 20;

/** The bytes `[begin, end)` of a source as a stream, read while they are taken. */
export function streamSource(source: ByteSource, begin: number, end: number): ReadableStream<Uint8Array> {
  let at = begin;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (at === end) {
        controller.close();
        return;
      }
      const next = Math.min(end, at + READ_BYTES);
      controller.enqueue(await source.read(at, next));
      at = next;
    },
  });
}
