import * as z from "zod";

/** Crockford's base 32, as ULIDs write it: no I, L, O, U. */
const DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const TIME_DIGITS = 10;
const RANDOM_DIGITS = 16;

/** Random bytes that a job's id takes. */
export const JOB_ID_RANDOM_BYTES = 10;

/** Name of a job: a ULID, so that ids sort by the time they were made. */
export const jobId = z
  .string()
  .regex(/^[0-7][0-9A-HJKMNP-TV-Z]{25}$/, "a ULID in upper case")
  .brand<"JobId">();

export type JobId = z.infer<typeof jobId>;

/**
 * Makes a job's id.
 * @param at its time; clocks may jump, since nothing relies on the order of ids
 * @param random {@link JOB_ID_RANDOM_BYTES} bytes that nobody can guess
 * @see https://github.com/ulid/spec
 */
export function newJobId(at: Date, random: Uint8Array): JobId {
  let time = BigInt(Math.max(0, at.getTime()));
  let bits = 0n;
  for (const byte of random.subarray(0, JOB_ID_RANDOM_BYTES)) bits = (bits << 8n) | BigInt(byte);
  let text = "";
  for (let digit = 0; digit < RANDOM_DIGITS; digit++, bits >>= 5n) text = DIGITS.charAt(Number(bits & 31n)) + text;
  for (let digit = 0; digit < TIME_DIGITS; digit++, time >>= 5n) text = DIGITS.charAt(Number(time & 31n)) + text;
  return jobId.parse(text);
}
