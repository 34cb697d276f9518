/** Enough that what goes wrong at once (a NaN in the first tensors, no memory) is known before the status is sent. */
const PRIMED_BYTES = 256 * 1024;

/**
 * Computes the first bytes of a stream before it is answered, so that early failures become a problem response and not
 * a broken transfer.
 * @returns all chunks, in order
 * @throws what the first chunks throw
 */
export async function primed(
  chunks: AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined>,
  bytes = PRIMED_BYTES,
): Promise<AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined>> {
  const first: Uint8Array<ArrayBuffer>[] = [];
  let held = 0;
  let ended = false;
  while (held < bytes && !ended) {
    const step = await chunks.next();
    if (step.done === true) {
      ended = true;
    } else {
      first.push(step.value);
      held += step.value.length;
    }
  }
  return (async function* all() {
    try {
      yield* first;
      if (!ended) yield* chunks;
    } finally {
      // Left early, perhaps before the rest was begun: what it holds is given back all the same.
      await chunks.return();
    }
  })();
}

/**
 * A body of known length that is computed while the client reads it, at the client's pace. Where computing fails, the
 * transfer breaks: a client never takes half a file for a whole one.
 * @param seeThrough keeps the request alive until the work has ended
 */
export function bodyOf(
  chunks: AsyncIterable<Uint8Array<ArrayBuffer>>,
  length: number,
  seeThrough: (work: Promise<void>) => void,
): ReadableStream<Uint8Array> {
  const pipe = new FixedLengthStream(length);
  const writer = pipe.writable.getWriter();
  const pump = async () => {
    try {
      for await (const chunk of chunks) await writer.write(chunk);
      await writer.close();
    } catch (error) {
      await writer.abort(error).catch(() => undefined);
    }
  };
  seeThrough(pump());
  return pipe.readable;
}
