import { Breather } from "../engine/breather.ts";

/** Something that sees bytes on their way. */
export type Observer = (chunk: Uint8Array<ArrayBuffer>) => Promise<void> | void;

/**
 * Streams bytes of known length into a consumer that takes a stream, such as R2. Memory is the chunk in hand; where
 * anything fails, the consumer's stream breaks, and so R2 keeps nothing.
 * @param observe waited for before the next chunk is computed
 * @throws whatever the chunks, the observer or the consumer throw
 */
export async function pour<Stored>(
  chunks: AsyncIterable<Uint8Array<ArrayBuffer>>,
  length: number,
  consume: (body: ReadableStream<Uint8Array>) => Promise<Stored>,
  observe: Observer = () => undefined,
): Promise<Stored> {
  const breather = new Breather();
  const pipe = new FixedLengthStream(length);
  const writer = pipe.writable.getWriter();
  const stored = consume(pipe.readable);
  // Observed below; until then a rejection must not count as unhandled.
  stored.catch(() => undefined);
  try {
    for await (const chunk of chunks) {
      await Promise.all([
        observe(chunk),
        // A consumer that fails stops reading, and the write would wait for ever.
        Promise.race([writer.write(chunk), stored]),
      ]);
      await breather.breathe();
    }
    await Promise.race([writer.close(), stored]);
    return await stored;
  } catch (error) {
    await writer.abort(error).catch(() => undefined);
    await stored.catch(() => undefined);
    throw error;
  }
}
