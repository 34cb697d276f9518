import { lstat } from "node:fs/promises";
import { Failure } from "../failure.ts";
import type { ByteProgress } from "../fusing/byte-progress.ts";
import { digestSource } from "../fusing/digest-source.ts";
import { openFile } from "../fusing/file-source.ts";
import { alreadyThere } from "../fusing/fuse-to-file.ts";
import type { RemoteWorker } from "./connect.ts";
import { describeFile, download } from "./download.ts";

export interface PullOptions {
  /** Whether a file of that name may go. */
  readonly force: boolean;
  readonly signal: AbortSignal;
  readonly progress: ByteProgress;
}

interface FileOptions extends PullOptions {
  readonly awaitsDigest?: boolean;
  /** Whether a file of the right length is the right one, where the worker knows no digest; never, where left out. */
  readonly recognize?: (path: string) => Promise<boolean>;
}

/** A file that was pulled. */
export interface PulledFile {
  readonly path: string;
  readonly bytes: number;
  /** Undefined for one that was there already, and that the caller verifies. */
  readonly sha256: string | undefined;
  /** Whether the worker's digest of it is known, and is this one. */
  readonly verified: boolean;
  /** Bytes that did not have to come: all, where the very file was there already. */
  readonly kept: number;
}

/**
 * Downloads one file, verified, to its place. It appears whole or not at all; the very file that is there already is
 * left as it is.
 * @param from path at the worker
 * @throws Failure `usage` where another file has the name; as `download` does
 */
export async function pullFile(
  worker: RemoteWorker,
  from: string,
  to: string,
  options: FileOptions,
): Promise<PulledFile> {
  const { force, signal, progress, awaitsDigest = true } = options;
  return worker.ask(`give ${from}`, async () => {
    const present = await presentFile(worker, from, to, options);
    if (present !== undefined) return present;
    const label = `pulling ${from.split("/").at(-1)}`;
    const { partial, bytes, sha256, verified, resumedFrom } = await download(worker, from, to, {
      signal,
      awaitsDigest,
      onLength: (length) => progress.begin(label, length),
      onProgress: (arrived) => progress.advance(arrived),
    });
    progress.end();
    try {
      await partial.commit(force);
    } catch (error) {
      await partial.close();
      if (error instanceof Error && "code" in error && error.code === "EEXIST") throw alreadyThere(to);
      throw error;
    }
    return { path: to, bytes, sha256, verified, kept: resumedFrom };
  });
}

/** What lies there already: undefined where nothing does, or what does shall go. */
async function presentFile(
  worker: RemoteWorker,
  from: string,
  to: string,
  { force, signal, progress, recognize }: FileOptions,
): Promise<PulledFile | undefined> {
  const found = await lstat(to).catch(() => undefined);
  if (found === undefined) return undefined;
  if (found.isDirectory()) throw new Failure("usage", `${to} is a folder; give the name of a file.`);
  const { bytes, sha256 } = await describeFile(worker, from);
  const hasLength = found.isFile() && found.size === bytes;
  if (hasLength && sha256 === undefined && !force && (await recognize?.(to)) === true) {
    return { path: to, bytes, sha256: undefined, verified: false, kept: bytes };
  }
  if (hasLength && sha256 !== undefined) {
    const file = await openFile(to);
    try {
      progress.begin(`checking ${to}`, bytes);
      const own = await digestSource(file, bytes, { signal, onProgress: (read) => progress.advance(read) });
      progress.end();
      if (own === sha256) return { path: to, bytes, sha256, verified: true, kept: bytes };
    } finally {
      await file.close();
    }
  }
  if (!force) throw alreadyThere(to);
  return undefined;
}
