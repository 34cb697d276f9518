import {
  emptyObservations,
  type FusionEngine,
  type FusionPlan,
  type FusionReport,
  fusionReport,
  type FusionStatistics,
  fuseRange,
} from "../../shared/fusion/index.ts";
import { Failure } from "../failure.ts";
import { openAtomically } from "../storage/atomic-file.ts";
import { PartDigests } from "./part-digests.ts";

/** Parts that a manifest has digests of; as long as a worker's smallest. */
export const PART_BYTES = 8 * 2 ** 20;

export interface FuseToFileOptions {
  readonly statistics: FusionStatistics;
  /** Whether a file of that name may go. */
  readonly replace: boolean;
  /** Called when all is computed, before the file gets its name; what it throws leaves no file. */
  readonly beforeCommit?: () => Promise<void>;
  /** Bytes at the start of the fused file that are left out. Digests are of the whole all the same. */
  readonly skip?: number;
  readonly signal?: AbortSignal;
  /** Called with the bytes written since the last call. */
  readonly onProgress?: (bytes: number) => void;
}

export interface FusedFile {
  /** Lower-case hex. */
  readonly sha256: string;
  /** Of parts of {@link PART_BYTES}. */
  readonly partSha256: readonly string[];
  readonly report: FusionReport;
}

/**
 * Streams a fusion into a file, hashing it on the way. The file appears whole or not at all; memory is a few chunks,
 * whatever the size.
 * @throws Problem as `fuseRange` does; Failure `usage` where the name is taken; the signal's reason; file errors
 */
export async function fuseToFile(
  plan: FusionPlan,
  engine: FusionEngine,
  path: string,
  { statistics, replace, beforeCommit, skip = 0, signal, onProgress }: FuseToFileOptions,
): Promise<FusedFile> {
  const observations = emptyObservations(plan);
  const digests = new PartDigests(PART_BYTES);
  const file = await openAtomically(path, { replace });
  try {
    const options = { statistics, observations, ...(signal === undefined ? {} : { signal }) };
    let at = 0;
    for await (const chunk of fuseRange(plan, engine, options)) {
      digests.update(chunk);
      await file.write(chunk.subarray(Math.min(chunk.length, Math.max(0, skip - at))));
      at += chunk.length;
      onProgress?.(chunk.length);
    }
    await beforeCommit?.();
    signal?.throwIfAborted();
    await file.commit();
    return { ...digests.finish(), report: fusionReport(plan, observations) };
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") throw alreadyThere(path);
    throw error;
  } finally {
    await file.discard();
  }
}

export function alreadyThere(path: string): Failure {
  return new Failure("usage", `${path} exists; give --force to replace it.`);
}
