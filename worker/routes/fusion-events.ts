import { streamSSE } from "hono/streaming";
import type { FusionDescription } from "../../shared/api/fusions.ts";
import type { AppContext } from "../environment.ts";

const POLL_MS = 500;
const HEARTBEAT_MS = 15_000;
/** Each look costs requests to the catalog, of which an invocation has so many; clients come back by themselves. */
const LOOKS = 600;
const RECONNECT_MS = 1_000;

/**
 * Progress of a fusion as server-sent events. An event's id is what it says, so a client that comes back with
 * `Last-Event-ID` is told only what is new.
 * @param look the fusion as it is now
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html
 */
export function fusionEvents(c: AppContext, look: () => Promise<FusionDescription>): Response {
  let told = c.req.header("last-event-id");
  c.header("cache-control", "no-store, no-transform");
  c.header("x-accel-buffering", "no");
  return streamSSE(c, async (stream) => {
    let silentMs = 0;
    for (let looks = 0; looks < LOOKS && !stream.aborted; looks++) {
      const fusion = await look();
      const ended = hasEnded(fusion);
      const id = `${fusion.state}-${fusion.progress.partsDone}`;
      if (id !== told || ended) {
        told = id;
        silentMs = 0;
        const event = ended ? "end" : "progress";
        await stream.writeSSE({ event, id, data: JSON.stringify(fusion), retry: RECONNECT_MS });
      } else if (silentMs >= HEARTBEAT_MS) {
        silentMs = 0;
        await stream.write(": still here\n\n");
      }
      if (ended) return;
      await stream.sleep(POLL_MS);
      silentMs += POLL_MS;
    }
  });
}

function hasEnded({ state }: FusionDescription): boolean {
  switch (state) {
    case "queued":
    case "running":
      return false;
    // A lazy model waits for readers; nothing will come by itself.
    case "lazy":
    case "succeeded":
    case "failed":
    case "cancelled":
      return true;
    default:
      return state satisfies never;
  }
}
