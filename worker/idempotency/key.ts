import { Problem } from "../../shared/problem.ts";

export const IDEMPOTENCY_KEY = "Idempotency-Key";

/**
 * The key that a request carries: a structured string as the draft has it (`"8e03978e"`), or bare as most clients send
 * it; both are the same key.
 * @returns undefined where there is none
 * @throws Problem `malformed-request` for one that is empty, longer than 255 characters or not printable ASCII
 * @see https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
 */
export function idempotencyKeyOf(field: string | undefined): string | undefined {
  if (field === undefined) return undefined;
  const text = field.trim();
  const key = /^"(.*)"$/.exec(text)?.[1] ?? text;
  if (!/^[\x20-\x7e]{1,255}$/.test(key)) {
    throw new Problem("malformed-request", `${IDEMPOTENCY_KEY} has 1 to 255 printable ASCII characters.`);
  }
  return key;
}
