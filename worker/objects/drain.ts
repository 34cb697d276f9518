/** Enough for anything that an ordinary client is still sending; beyond it the line is cut. */
const DRAINED_BYTES = 128 * 2 ** 20;

/**
 * Reads and forgets what is left of a refused request's body. Most clients send all of it before they look at the answer;
 * if nobody reads, they see a broken connection instead of the problem that explains it.
 */
export async function drain(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
  try {
    let bytes = 0;
    for (let step = await reader.read(); !step.done; step = await reader.read()) {
      bytes += step.value.length;
      if (bytes > DRAINED_BYTES) {
        await reader.cancel();
        return;
      }
    }
  } catch {
    // The client has gone, so no one waits for the answer.
  }
}
