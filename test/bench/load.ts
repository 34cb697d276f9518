import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";

/** One kind of request, sent again and again over a fixed number of connections that stay open. */
export interface Load {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly connections: number;
  readonly seconds: number;
  /** What every answer must be. */
  readonly expected: { readonly status: number; readonly bytes: number };
}

export interface LoadFigures {
  readonly requestsPerSecond: number;
  /** Milliseconds from the request to the last byte of the answer. */
  readonly p50: number;
  readonly p99: number;
}

/**
 * Makes a load from a process of its own, so that it is not the same event loop that serves and that asks.
 * @throws Error where an answer is not as expected
 */
export async function makeLoad(load: Load): Promise<LoadFigures> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "load-process.ts"), JSON.stringify(load)], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [output, errors, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "close") as Promise<[number | null]>,
  ]);
  if (code !== 0) throw new Error(`the load on ${load.url} failed: ${errors.trim()}`);
  return JSON.parse(output) as LoadFigures;
}
