import { createMiddleware } from "hono/factory";
import { matchedRoutes } from "hono/route";
import type { AppContext, AppEnvironment } from "../environment.ts";
import { redactQuery, redactText } from "./redact.ts";
import { requestIdOf } from "./request-id.ts";
import { continueTrace, traceparentOf } from "./trace-context.ts";

/** One line of the log: what was asked, by whom, and what came of it. Never a token, never a signature, never a body. */
export interface RequestLine {
  readonly level: "info" | "warn" | "error";
  readonly event: "request";
  /** When the request came; RFC 3339. */
  readonly time: string;
  readonly method: string;
  /** As the API description writes it; null where no route took the request. */
  readonly route: string | null;
  readonly path: string;
  readonly query: string;
  readonly status: number;
  /** Until the answer began; a body may stream on for longer. */
  readonly ms: number;
  /** Of the answer's body; null where it streams and nobody knows yet. */
  readonly bytes: number | null;
  readonly requestBytes: number | null;
  readonly principal: string;
  readonly requestId: string;
  readonly traceId: string;
  readonly spanId: string;
}

export interface LogDependencies {
  now(): Date;
  uniqueName(): string;
  randomBytes(length: number): Uint8Array;
  /** Where the lines go; the console by default. */
  log?(line: string): void;
}

/** Gives every request its id and its place in a trace, sends both back, and writes one line of JSON about it. */
export function logRequests(dependencies: LogDependencies) {
  const { now, uniqueName, randomBytes } = dependencies;
  return createMiddleware<AppEnvironment>(async (c, next) => {
    const begun = now();
    const requestId = requestIdOf(c.req.header("x-request-id"), uniqueName);
    const trace = continueTrace(c.req.header("traceparent"), randomBytes);
    c.set("requestId", requestId);
    await next();
    // The first call makes the headers of an answer that came from elsewhere writable.
    c.header("x-request-id", requestId);
    c.res.headers.set("traceparent", traceparentOf(trace));
    const { status } = c.res;
    const line: RequestLine = {
      level: status >= 500 ? "error" : status >= 400 ? "warn" : "info",
      event: "request",
      time: begun.toISOString(),
      method: c.req.raw.method,
      route: routeOf(c),
      path: redactText(c.req.path),
      query: redactQuery(new URL(c.req.url).searchParams),
      status,
      ms: now().getTime() - begun.getTime(),
      bytes: sentBytes(c),
      requestBytes: lengthIn(c.req.raw.headers),
      principal: c.get("principal")?.id ?? "unknown",
      requestId,
      traceId: trace.traceId,
      spanId: trace.spanId,
    };
    if (dependencies.log === undefined) console.log(JSON.stringify(line));
    else dependencies.log(JSON.stringify(line));
  });
}

/** The route that took the request, with its parameters in braces; middleware is none. */
function routeOf(c: AppContext): string | null {
  const route = matchedRoutes(c).find(({ method, path }) => method !== "ALL" && !path.endsWith("*"));
  return route === undefined ? null : route.path.replaceAll(/:(\w+)(\{[^}]*\})?/g, "{$1}");
}

function sentBytes(c: AppContext): number | null {
  if (c.res.body === null || c.req.raw.method === "HEAD") return 0;
  return lengthIn(c.res.headers);
}

function lengthIn(headers: Headers): number | null {
  const length = headers.get("content-length");
  return length !== null && /^\d{1,15}$/.test(length) ? Number(length) : null;
}
