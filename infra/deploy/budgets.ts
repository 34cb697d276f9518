import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mustRun, type RunWrangler } from "./wrangler.ts";

/** A worker that is larger takes longer to start; the Free plan's limit is 3 MB. Thousands of bytes, as `gzip -9` counts. */
export const MOST_GZIP_BYTES = 700_000;

/** CPU time before the first request; Cloudflare's limit is 1 s. */
export const MOST_START_MS = 150;

/** Other programs on the machine make a start look slower and never faster, so the fastest of some is the measure. */
export const MOST_STARTS = 8;

export interface WorkerSize {
  readonly gzipBytes: number;
  /** Milliseconds of each start that was measured. */
  readonly starts: readonly number[];
}

/**
 * Builds the worker as it would be uploaded and profiles its start, until one start is within the budget.
 * @throws Error where wrangler cannot build it
 */
export async function measureWorker(run: RunWrangler, environment?: string): Promise<WorkerSize> {
  const directory = await mkdtemp(join(tmpdir(), "edgefuse-worker-"));
  try {
    const bundle = join(directory, "worker.bundle");
    const target = environment === undefined ? ["--env="] : ["--env", environment];
    const built = await mustRun(run, ["deploy", "--dry-run", `--outfile=${bundle}`, ...target]);
    const gzipBytes = numberIn(built, /gzip:\s*([\d.]+)\s*KiB/) * 1024;
    const starts: number[] = [];
    while (starts.length < MOST_STARTS && !starts.some((start) => start <= MOST_START_MS)) {
      const outfile = join(directory, "start.cpuprofile");
      const { code, output } = await run(["check", "startup", `--worker=${bundle}`, `--outfile=${outfile}`]);
      if (code !== 0 && !output.includes("timed out")) throw new Error(`the start was not measured:\n${output}`);
      // On a machine that is too busy to start it in time it is slow for now.
      starts.push(code === 0 ? numberIn(output, /Active:\s*([\d.]+)\s*ms/) : Number.POSITIVE_INFINITY);
    }
    return { gzipBytes, starts };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function numberIn(output: string, pattern: RegExp): number {
  const text = pattern.exec(output)?.[1];
  if (text === undefined) throw new Error(`wrangler printed no ${pattern.source}:\n${output}`);
  return Number(text);
}

/** What is over budget, in words. */
export function overBudget({ gzipBytes, starts }: WorkerSize): string[] {
  const fastest = Math.min(...starts);
  return [
    ...(gzipBytes <= MOST_GZIP_BYTES ? [] : [`the bundle has ${kilobytes(gzipBytes)} (gzip), of at most 700 KB`]),
    ...(fastest <= MOST_START_MS
      ? []
      : [`a start takes ${fastest} ms of CPU, of at most ${MOST_START_MS} ms (the fastest of ${starts.length})`]),
  ];
}

export function describeSize({ gzipBytes, starts }: WorkerSize): string {
  return (
    `bundle ${kilobytes(gzipBytes)} gzip (at most ${kilobytes(MOST_GZIP_BYTES)}), ` +
    `start ${Math.min(...starts)} ms of CPU (at most ${MOST_START_MS} ms; measured ${starts.join(", ")})`
  );
}

const kilobytes = (bytes: number) => `${Math.round(bytes / 1000)} KB`;
