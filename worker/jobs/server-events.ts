import { type SSEMessage, streamSSE } from "hono/streaming";
import type { AppContext } from "../environment.ts";

/** How often is looked, and how long nothing is said. */
export interface EventTiming {
  readonly pollMs: number;
  readonly heartbeatMs: number;
  /** Each look costs requests to the catalog, of which an invocation has so many; clients come back by themselves. */
  readonly looks: number;
}

const TIMING: EventTiming = { pollMs: 1_000, heartbeatMs: 15_000, looks: 400 };
const HEADERS = { "cache-control": "no-store, no-transform", "x-accel-buffering": "no" };
const RECONNECT_MS = 1_000;

/** What a look found: events to send, and whether there will be more. */
export interface Look {
  readonly events: readonly SSEMessage[];
  /** More is there already: no pause before the next look. */
  readonly hasMore?: boolean;
  readonly hasEnded: boolean;
}

/**
 * Server-sent events of something that is looked at again and again. Every event's id says where it is, so a client that
 * comes back with `Last-Event-ID` goes on from there.
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html
 */
export function serverEvents(
  c: AppContext,
  look: () => Promise<Look>,
  { pollMs, heartbeatMs, looks }: EventTiming = TIMING,
): Response {
  const response = streamSSE(c, async (stream) => {
    let silentMs = 0;
    for (let looked = 1; !stream.aborted; looked++) {
      const { events, hasMore = false, hasEnded } = await look();
      for (const event of events) await stream.writeSSE({ ...event, retry: RECONNECT_MS });
      if (events.length > 0) {
        silentMs = 0;
      } else if (silentMs >= heartbeatMs) {
        silentMs = 0;
        await stream.write(": still here\n\n");
      }
      if (hasEnded || looked === looks) return;
      if (hasMore) continue;
      await stream.sleep(pollMs);
      silentMs += pollMs;
    }
  });
  for (const [name, value] of Object.entries(HEADERS)) {
    c.header(name, value);
    response.headers.set(name, value);
  }
  return response;
}

/** The client has seen the end: an EventSource that is told so does not come back. */
export function nothingMore(c: AppContext): Response {
  return c.body(null, 204, HEADERS);
}
