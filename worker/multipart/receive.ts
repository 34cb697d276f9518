import type { MemoryBudget, MemoryLease } from "../../shared/memory-budget.ts";
import { Problem } from "../../shared/problem.ts";
import { drain } from "../objects/drain.ts";
import { readWhole } from "../objects/whole.ts";

export interface HeldBody {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly lease: MemoryLease;
}

export interface HoldOptions {
  readonly body: ReadableStream<Uint8Array>;
  /** As announced; a body of unknown length is collected and then joined, so it may have half the size. */
  readonly length: number | undefined;
  readonly maxBytes: number;
  readonly budget: MemoryBudget;
}

/**
 * Reads a body into memory that is booked for it; the lease is the caller's to release.
 * @throws Problem `payload-too-large`, `truncated-file`, `over-budget`
 */
export async function holdBody({ body, length, maxBytes, budget }: HoldOptions): Promise<HeldBody> {
  if (length === undefined) {
    const lease = budget.take(maxBytes);
    try {
      return { bytes: await readWhole(body, Math.floor(maxBytes / 2)), lease };
    } catch (error) {
      lease.release();
      throw error;
    }
  }
  const lease = budget.take(length);
  const reader = body.getReader();
  try {
    const bytes = new Uint8Array(length);
    let at = 0;
    for (let step = await reader.read(); !step.done; step = await reader.read()) {
      if (at + step.value.length > length) throw new Problem("malformed-request", "The body is longer than announced.");
      bytes.set(step.value, at);
      at += step.value.length;
    }
    if (at < length) {
      throw new Problem("truncated-file", `The request announced ${length} bytes and carried ${at}.`);
    }
    return { bytes, lease };
  } catch (error) {
    lease.release();
    await drain(reader);
    throw error;
  }
}
