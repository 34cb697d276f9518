import { createMiddleware } from "hono/factory";
import * as z from "zod";
import { Problem } from "../../shared/problem.ts";
import { adminSecret } from "../auth/admin-secret.ts";
import type { AppContext, AppEnvironment } from "../environment.ts";
import { sha256Hex } from "../objects/digest.ts";
import { seeThrough } from "../routes/body.ts";
import { forgetAnswer, keepAnswer, type KeyedRequest, releaseKey, takeKey } from "./journal.ts";
import { IDEMPOTENCY_KEY, idempotencyKeyOf } from "./key.ts";
import { openAnswer, sealAnswer } from "./seal.ts";

/** Fields of an answer that belong to it; all others are of the connection, the request or the moment. */
const KEPT_FIELDS = ["content-type", "location", "retry-after", "etag", "cache-control", "preference-applied"];

/** What D1 stores in a row, less the sealing. Larger answers are not kept; the requests that have such are repeatable. */
const MAX_ANSWER_BYTES = 2 ** 20;

const encoder = new TextEncoder();

const keptAnswer = z.object({
  status: z.int(),
  headers: z.array(z.tuple([z.string(), z.string()])),
  body: z.string(),
});

export interface IdempotencyDependencies {
  now(): Date;
  uniqueName(): string;
  randomBytes(length: number): Uint8Array<ArrayBuffer>;
}

/**
 * Answers a POST that carries an `Idempotency-Key` once, and repeats that answer for a day. Keys are each principal's own.
 *
 * A request that failed did nothing, so its key is free again, and a repetition tries anew. Files need no key: they are
 * stored under their digest, so the same file twice is one, and comparing them would mean to read them twice.
 * @throws Problem `idempotency-in-flight`, `idempotency-conflict` where the key was used for another request
 */
export function answerOnce({ now, uniqueName, randomBytes }: IdempotencyDependencies) {
  return createMiddleware<AppEnvironment>(async (c, next) => {
    const key = takesKey(c) ? idempotencyKeyOf(c.req.header(IDEMPOTENCY_KEY)) : undefined;
    const secret = adminSecret(c.env);
    if (key === undefined || secret === undefined) return next();
    const keyed: KeyedRequest = {
      id: await digestOf([c.get("principal").id, key]),
      request: await fingerprintOf(c),
      owner: uniqueName(),
    };
    const answer = await orRelease(c, keyed, earlierAnswer(c, keyed, secret, now));
    if (answer !== undefined) return answer;
    // Seen through, also when the client goes away: else the key would stay taken until its lease ends.
    return seeThrough(c, answerFirst(c, keyed, secret, next));
  });

  async function answerFirst(c: AppContext, keyed: KeyedRequest, secret: string, next: () => Promise<void>) {
    const { CATALOG } = c.env;
    await next();
    try {
      const body = c.res.ok ? await c.res.clone().text() : undefined;
      if (body === undefined || encoder.encode(body).length > MAX_ANSWER_BYTES) {
        await releaseKey(CATALOG, keyed).catch(() => releaseKey(CATALOG, keyed));
        return;
      }
      const headers = KEPT_FIELDS.flatMap((name) => {
        const value = c.res.headers.get(name);
        return value === null ? [] : [[name, value]];
      });
      const text = JSON.stringify({ status: c.res.status, headers, body });
      const sealed = await sealAnswer(secret, keyed.id, text, randomBytes(12));
      // Once more where the catalog failed: without the answer a repetition would have to wait for the lease's end.
      await keepAnswer(CATALOG, keyed, sealed).catch(() => keepAnswer(CATALOG, keyed, sealed));
    } catch (error) {
      // What was asked is done and answered; only its answer is not kept. The lease frees the key.
      console.error(JSON.stringify({ level: "error", code: "answer-not-kept", cause: String(error) }));
    }
  }
}

/** Where the catalog failed, it may have given us the key all the same, and nobody would ever give it back. */
async function orRelease<Result>({ env }: AppContext, keyed: KeyedRequest, work: Promise<Result>): Promise<Result> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof Problem)) await releaseKey(env.CATALOG, keyed).catch(() => undefined);
    throw error;
  }
}

/** The answer that was kept for this very request; undefined where the request has the key now, and is the first. */
async function earlierAnswer(
  c: AppContext,
  keyed: KeyedRequest,
  secret: string,
  now: () => Date,
): Promise<Response | undefined> {
  const { CATALOG } = c.env;
  const earlier = await takeKey(CATALOG, keyed, now());
  if (earlier === undefined) return undefined;
  if (earlier.request !== keyed.request) {
    throw new Problem(
      "idempotency-conflict",
      `This ${IDEMPOTENCY_KEY} was used for another request; take a fresh one.`,
    );
  }
  if (earlier.answer === null) throw inFlight();
  const text = await openAnswer(secret, keyed.id, earlier.answer);
  if (text === undefined) {
    // Sealed under a secret that is no longer the deployment's.
    await forgetAnswer(CATALOG, keyed.id, earlier.answer);
    if ((await takeKey(CATALOG, keyed, now())) === undefined) return undefined;
    throw inFlight();
  }
  const { status, headers, body } = keptAnswer.parse(JSON.parse(text));
  const response = new Response(body, { status, headers });
  response.headers.set("idempotency-replayed", "true");
  return response;
}

function inFlight(): Problem {
  return new Problem("idempotency-in-flight", "The first request with this key is still under way; come back shortly.");
}

/** POSTs of JSON or of nothing, by someone: `/v1/fuse` and uploads carry files, and nobody's keys are nobody's own. */
function takesKey(c: AppContext): boolean {
  if (c.req.raw.method !== "POST" || c.get("principal").kind === "anonymous") return false;
  const type = c.req.header("content-type");
  return type === undefined ? c.req.raw.body === null : /^\s*application\/([\w.-]+\+)?json\b/i.test(type);
}

async function fingerprintOf(c: AppContext): Promise<string> {
  const { pathname, search } = new URL(c.req.url);
  // Hono keeps what was read, and the route reads it again from there.
  const body = new Uint8Array(await c.req.arrayBuffer());
  return digestOf([c.req.raw.method, pathname + search, await sha256Hex(body)]);
}

/** SHA-256 over a list of texts, hex; unambiguous wherever one ends. */
function digestOf(texts: readonly string[]): Promise<string> {
  return sha256Hex(encoder.encode(JSON.stringify(texts)));
}
