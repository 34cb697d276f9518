import { base64url } from "jose";
import { bytesToHex } from "@noble/hashes/utils.js";
import { adminSecret } from "../auth/admin-secret.ts";
import { hasChanged } from "../catalog/changes.ts";
import type { JobRecord } from "../catalog/jobs.ts";
import type { Environment } from "../environment.ts";
import { checkCallback } from "./callback-address.ts";
import { describeJob } from "./describe.ts";

/** Header field with `sha256=<hex>`: HMAC-SHA256 over the body with the key that the answer to the job's POST told. */
export const SIGNATURE_FIELD = "edgefuse-signature";

const INFO = "edgefuse: callbacks of jobs, version 1";
const TIMEOUT_MS = 10_000;

/** Of the six connections that a Worker may have open; the time of one that waits for its turn would run out. */
export const CALLBACKS_AT_ONCE = 4;

const encoder = new TextEncoder();

/**
 * The key of one job's callback, by HKDF (RFC 5869) from the deployment's admin secret: nothing is stored, and what one
 * receiver knows is of no use for another job.
 * @returns undefined where there is no admin secret
 */
export async function callbackKeyOf(environment: Environment, job: JobRecord["id"]): Promise<string | undefined> {
  const secret = adminSecret(environment);
  if (secret === undefined) return undefined;
  const source = await crypto.subtle.importKey("raw", encoder.encode(secret), "HKDF", false, ["deriveBits"]);
  const parameters = { name: "HKDF", hash: "SHA-256", salt: encoder.encode(job), info: encoder.encode(INFO) };
  return base64url.encode(new Uint8Array(await crypto.subtle.deriveBits(parameters, source, 256)));
}

/** @param key as {@link callbackKeyOf} gives it */
export async function signBody(key: string, body: string): Promise<string> {
  const hmac = { name: "HMAC", hash: "SHA-256" };
  const imported = await crypto.subtle.importKey("raw", encoder.encode(key), hmac, false, ["sign"]);
  return `sha256=${bytesToHex(new Uint8Array(await crypto.subtle.sign("HMAC", imported, encoder.encode(body))))}`;
}

/**
 * Tells whoever a job names that it has ended: once, as well as it goes. What came of that is on the job; a job does not
 * fail for it.
 */
export async function sendCallback(environment: Environment, job: JobRecord, now: () => Date): Promise<void> {
  const { CATALOG } = environment;
  const { callback } = job.spec;
  if (callback === undefined || job.callback?.state !== "pending") return;
  // Of several who see the end, one sends; before it is sent, so that it is not sent twice where we die in between.
  const taken = CATALOG.prepare(
    "UPDATE jobs SET callback_state = 'sent', callback_at = ? WHERE id = ? AND callback_state = 'pending'",
  ).bind(now().getTime(), job.id);
  if (!(await hasChanged(taken))) return;
  let status: number | null = null;
  try {
    checkCallback(environment, callback);
    const key = await callbackKeyOf(environment, job.id);
    const body = JSON.stringify(await describeJob(environment, job));
    const response = await fetch(callback, {
      method: "POST",
      body,
      headers: {
        "content-type": "application/json",
        "user-agent": "edgefuse",
        ...(key === undefined ? {} : { [SIGNATURE_FIELD]: await signBody(key, body) }),
      },
      // Another address was not checked.
      redirect: "manual",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    status = response.status;
    await response.body?.cancel();
  } catch (error) {
    console.error(JSON.stringify({ level: "warn", code: "callback-failed", job: job.id, cause: String(error) }));
  }
  const isTaken = status !== null && status >= 200 && status < 300;
  await CATALOG.prepare("UPDATE jobs SET callback_state = ?, callback_status = ? WHERE id = ?")
    .bind(isTaken ? "sent" : "failed", status, job.id)
    .run();
}

/** Sends the callbacks of several jobs side by side, so that a receiver that is slow keeps none of the others waiting. */
export async function sendCallbacks(
  environment: Environment,
  jobs: readonly JobRecord[],
  now: () => Date,
): Promise<void> {
  const left = jobs.values();
  const sendNext = async () => {
    for (const job of left) {
      try {
        await sendCallback(environment, job, now);
      } catch (error) {
        console.error(JSON.stringify({ level: "error", code: "callback-failed", job: job.id, cause: String(error) }));
      }
    }
  };
  await Promise.all(Array.from({ length: CALLBACKS_AT_ONCE }, sendNext));
}
