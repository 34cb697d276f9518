import { Problem } from "../../shared/problem.ts";
import { drain } from "./drain.ts";
import { tooLarge } from "./inspect.ts";

/**
 * Reads a body that is small enough to be held.
 * @throws Problem `payload-too-large`, `truncated-file` where less comes than was announced
 */
export async function readWhole(
  body: ReadableStream<Uint8Array>,
  maxBytes: number,
  length?: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const reader = body.getReader();
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for (let step = await reader.read(); !step.done; step = await reader.read()) {
    bytes += step.value.length;
    if (bytes > maxBytes) {
      await drain(reader);
      throw tooLarge(maxBytes);
    }
    parts.push(step.value);
  }
  if (length !== undefined && bytes < length) {
    throw new Problem("truncated-file", `The request announced ${length} bytes and carried ${bytes}.`);
  }
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
