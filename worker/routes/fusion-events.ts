import { streamSSE } from "hono/streaming";
import type { FusionDescription } from "../../shared/api/fusions.ts";
import type { AppContext } from "../environment.ts";
import { hasEnded } from "../fusing/has-ended.ts";

/** How often is looked, and how long nothing is said. */
export interface EventTiming {
  readonly pollMs: number;
  readonly heartbeatMs: number;
  /** Each look costs requests to the catalog, of which an invocation has so many; clients come back by themselves. */
  readonly looks: number;
}

const TIMING: EventTiming = { pollMs: 500, heartbeatMs: 15_000, looks: 600 };
/** Proxies neither keep nor gather what passes. */
const HEADERS = { "cache-control": "no-store, no-transform", "x-accel-buffering": "no" };
const RECONNECT_MS = 1_000;

/**
 * Progress of a fusion as server-sent events. An event's id is what it says, so a client that comes back with
 * `Last-Event-ID` is told only what is new; one that has seen the end gets 204, which ends an EventSource.
 * @param look the fusion as it is now
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html
 */
export async function fusionEvents(
  c: AppContext,
  look: () => Promise<FusionDescription>,
  { pollMs, heartbeatMs, looks }: EventTiming = TIMING,
): Promise<Response> {
  let told = c.req.header("last-event-id");
  let fusion = await look();
  if (hasEnded(fusion) && told === idOf(fusion)) return c.body(null, 204, HEADERS);
  const response = streamSSE(c, async (stream) => {
    let silentMs = 0;
    for (let looked = 1; !stream.aborted; looked++) {
      const ended = hasEnded(fusion);
      const id = idOf(fusion);
      if (id !== told || ended) {
        told = id;
        silentMs = 0;
        const event = ended ? "end" : "progress";
        await stream.writeSSE({ event, id, data: JSON.stringify(fusion), retry: RECONNECT_MS });
      } else if (silentMs >= heartbeatMs) {
        silentMs = 0;
        await stream.write(": still here\n\n");
      }
      if (ended || looked === looks) return;
      await stream.sleep(pollMs);
      silentMs += pollMs;
      fusion = await look();
    }
  });
  // Afterwards, since the stream has a Cache-Control of its own; in both places, since Hono puts what middleware and the
  // stream have set on its context before what the answer says.
  for (const [name, value] of Object.entries(HEADERS)) {
    c.header(name, value);
    response.headers.set(name, value);
  }
  return response;
}

function idOf({ state, progress, gate }: FusionDescription): string {
  return `${state}-${progress.partsDone}${gate === null ? "" : `-${gate.state}`}`;
}
