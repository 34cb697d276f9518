import { isFinal } from "../../shared/jobs/decide.ts";
import type { JobId } from "../../shared/jobs/job-id.ts";
import { bytesOfText, showLog, wholeCharacters } from "../../shared/jobs/log-text.ts";
import { readLog } from "../catalog/job-log.ts";
import { requireJob } from "../catalog/jobs.ts";
import type { AppContext, Environment } from "../environment.ts";
import { type EventTiming, type Look, nothingMore, serverEvents } from "./server-events.ts";

/** Chunks at a time. */
const PAGE = 32;

/** Where the next piece of a plain log begins: the field of an answer. */
export const NEXT_FIELD = "edgefuse-log-next";

/** A log from one byte to another as it may be shown. */
export function logText(
  { CATALOG }: Pick<Environment, "CATALOG">,
  job: JobId,
  { begin, end }: { readonly begin: number; readonly end: number },
): ReadableStream<Uint8Array> {
  const decoder = new TextDecoder("utf-8", { fatal: false, ignoreBOM: true });
  const encoder = new TextEncoder();
  let at = begin;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const data = at < end ? (await readLog(CATALOG, job, at, PAGE)).data.slice(0, end - at) : "";
      at += data.length;
      const text = decoder.decode(bytesOfText(data), { stream: data !== "" });
      if (text !== "") controller.enqueue(encoder.encode(showLog(text)));
      if (data === "") controller.close();
    },
  });
}

const END = /^(\d+)-end$/;

/**
 * The log as it grows, as server-sent events: `log` with where it begins, where the next one does, and the text; then `end`.
 * @param offset where to begin, unless the client says where it was
 */
export function followLog(c: AppContext, job: JobId, offset: number, timing?: EventTiming): Response {
  const seen = c.req.header("last-event-id");
  if (seen !== undefined && END.test(seen)) return nothingMore(c);
  let at = seen !== undefined && /^\d{1,15}$/.test(seen) ? Number(seen) : offset;
  const look = async (): Promise<Look> => {
    // First, so that nothing that came before the end is missed.
    const { status } = await requireJob(c.env.CATALOG, job);
    const { data } = await readLog(c.env.CATALOG, job, at, PAGE);
    const bytes = bytesOfText(data);
    const hasEnded = isFinal(status.state);
    const length = hasEnded ? bytes.length : wholeCharacters(bytes);
    if (length > 0) {
      const begin = at;
      at += length;
      const text = showLog(
        new TextDecoder("utf-8", { fatal: false, ignoreBOM: true }).decode(bytes.subarray(0, length)),
      );
      const event = { event: "log", id: String(at), data: JSON.stringify({ offset: begin, next: at, text }) };
      return { events: [event], hasMore: true, hasEnded: false };
    }
    if (!hasEnded) return { events: [], hasEnded };
    const { state, reason } = status;
    return { events: [{ event: "end", id: `${at}-end`, data: JSON.stringify({ next: at, state, reason }) }], hasEnded };
  };
  return serverEvents(c, look, timing);
}
