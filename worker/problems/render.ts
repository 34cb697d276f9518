import { HTTPException } from "hono/http-exception";
import { PROBLEM_MEDIA_TYPE, type ProblemDocument } from "../../shared/api/problem.ts";
import { Problem } from "../../shared/problem.ts";

/**
 * Problems as RFC 9457 documents. `type` is a reference relative to this deployment, which documents each code there.
 * @see https://www.rfc-editor.org/rfc/rfc9457
 */
export function renderProblem(problem: Problem, path: string, requestId?: string): Response {
  const headers = new Headers({ "content-type": PROBLEM_MEDIA_TYPE, "cache-control": "no-store" });
  switch (problem.code) {
    case "unauthorized":
      headers.set("www-authenticate", 'Bearer realm="edgefuse"');
      break;
    case "invalid-token":
      headers.set("www-authenticate", 'Bearer realm="edgefuse", error="invalid_token"');
      break;
    case "insufficient-scope":
      headers.set("www-authenticate", `Bearer realm="edgefuse", error="insufficient_scope"${scopeField(problem)}`);
      break;
    case "rate-limited":
      describeRateLimit(headers, problem);
      break;
    case "idempotency-in-flight":
    case "issuer-unreachable":
    case "over-budget":
    case "catalog-not-migrated":
      headers.set("retry-after", "2");
      break;
    case "method-not-allowed":
      if (typeof problem.members["allow"] === "string") headers.set("allow", problem.members["allow"]);
      break;
    case "range-not-satisfiable":
      if (typeof problem.members["bytes"] === "number") {
        headers.set("content-range", `bytes */${problem.members["bytes"]}`);
      }
      break;
    default:
      break;
  }
  const document = { ...problemDocument(problem, path), requestId };
  return new Response(JSON.stringify(document), { status: problem.status, headers });
}

/** @see https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/ */
function describeRateLimit(headers: Headers, { members: { policy, limit, window, retryAfter } }: Problem): void {
  headers.set("retry-after", String(retryAfter));
  headers.set("ratelimit-policy", `"${policy}";q=${limit};w=${window}`);
  headers.set("ratelimit", `"${policy}";r=0;t=${retryAfter}`);
}

/** The scopes that would do, as RFC 6750 section 3 writes them. */
function scopeField({ members: { scopes } }: Problem): string {
  return Array.isArray(scopes) ? `, scope="${scopes.join(" ")}"` : "";
}

/** A problem as plain JSON, to be sent or kept. */
export function problemDocument(problem: Problem, path: string): ProblemDocument {
  return {
    ...problem.members,
    type: `/docs/problems#${problem.code}`,
    title: problem.title,
    status: problem.status,
    code: problem.code,
    detail: problem.message,
    instance: path,
  };
}

/**
 * Turns whatever was thrown into a problem. What was not thrown on purpose becomes a bare 500: its message may hold
 * anything, so it goes to the log and not to the caller.
 */
export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof HTTPException) return fromHttpException(error);
  if (error instanceof Error && /no such table/i.test(error.message)) {
    return new Problem(
      "catalog-not-migrated",
      "The catalog has no tables yet: apply infra/migrations with `wrangler d1 migrations apply CATALOG`.",
      {},
      { cause: error },
    );
  }
  return new Problem("internal", "Something failed inside edgefuse; its log says what.", {}, { cause: error });
}

function fromHttpException(error: HTTPException): Problem {
  switch (error.status) {
    case 413:
      return new Problem("payload-too-large", error.message || "The body is too large.");
    case 415:
      return new Problem("unsupported-media-type", "This address does not take a body of this content type.");
    default:
      return error.status < 500
        ? new Problem("malformed-request", error.message || "The request is not well formed.")
        : new Problem("internal", "Something failed inside edgefuse; its log says what.", {}, { cause: error });
  }
}
