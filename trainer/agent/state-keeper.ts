import { ApiError } from "../../shared/api/index.ts";
import { type JobFile, MOST_JOB_FILES } from "../../shared/api/jobs.ts";
import { type FileStamp, readVersion, recordFiles, reportFiles, stateFiles } from "./attempt-files.ts";
import { Failure } from "../failure.ts";
import type { LeaseCalls } from "./lease-calls.ts";
import { failureText, isLeaseLost, isOutage, isTooLarge, type Persistence, persistently } from "./persistence.ts";

/** What tells versions of a file apart, cheaply and surely. */
interface Version {
  readonly stamp: string;
  readonly sha256: string;
}

interface RefusedVersion extends Version {
  readonly bytes: number;
  readonly refusal: ApiError;
}

/** @param between done once the file was read, before it is sent */
type Put = (file: FileStamp, between?: () => Promise<void>) => Promise<void>;

/**
 * Keeps what another attempt can go on from where all agents reach it: uploads files that changed, now and then while
 * the job runs, and at its stop.
 */
export class StateKeeper {
  readonly #calls: Pick<LeaseCalls, "putFile">;
  readonly #out: string;
  /** Of each file that the deployment has. */
  readonly #kept = new Map<string, Version>();
  /** Of each file that it did not take when it was last sent. */
  readonly #refused = new Map<string, RefusedVersion>();
  #keeping: Promise<unknown> = Promise.resolve();

  /** @param out folder that the job writes into */
  constructor(calls: Pick<LeaseCalls, "putFile">, out: string) {
    this.#calls = calls;
    this.#out = out;
  }

  /** Files that the deployment has already, because they came from there. */
  assume(files: readonly JobFile[]): void {
    for (const { name, sha256 } of files) this.#kept.set(name, { stamp: "", sha256 });
  }

  /**
   * Uploads states and records as they are now. Calls at the same time follow each other.
   *
   * A step that a state is beyond is not taken again, so its line must be in the record: the record is read after the
   * state, and is up before it. Where the record is refused, the state is worth more than its lines.
   * @throws LeaseLost; what else {@link persistently} gives up with. A file that is refused keeps no other from going up:
   * a Failure that names it is thrown once all the others are up, and again while it is as it was, without its being sent.
   */
  keep(persistence: Persistence): Promise<void> {
    return this.#putAll(persistence, async (put) => {
      const records = async () => {
        for (const record of await recordFiles(this.#out)) await put(record);
      };
      for (const state of await stateFiles(this.#out)) await put(state, records);
      await records();
    });
  }

  /** Uploads what is there for people. @throws as {@link StateKeeper.keep} */
  keepReports(persistence: Persistence): Promise<void> {
    return this.#putAll(persistence, async (put) => {
      for (const file of [...(await recordFiles(this.#out)), ...(await reportFiles(this.#out))]) await put(file);
    });
  }

  #putAll(persistence: Persistence, work: (put: Put) => Promise<void>): Promise<void> {
    const keeping = this.#afterOthers(this.#keeping, persistence, work);
    this.#keeping = keeping.catch(() => undefined);
    return keeping;
  }

  async #afterOthers(others: Promise<unknown>, persistence: Persistence, work: (put: Put) => Promise<void>) {
    await others;
    const refusals = new Map<string, ApiError>();
    await work(async (file, between) => {
      const refusal = await this.#put(file, persistence, between);
      if (refusal === undefined) refusals.delete(file.name);
      else refusals.set(file.name, refusal);
    });
    if (refusals.size > 0) throw notKept(refusals);
  }

  /** @returns why the file is refused, if it is */
  async #put(file: FileStamp, persistence: Persistence, between?: () => Promise<void>): Promise<ApiError | undefined> {
    const { name, stamp } = file;
    if (this.#kept.get(name)?.stamp === stamp) return undefined;
    const refused = this.#refused.get(name);
    if (refused !== undefined && (refused.stamp === stamp || isStillTooLarge(file, refused))) return refused.refusal;
    const version = await readVersion(file);
    if (version === undefined) return undefined;
    const { bytes, sha256 } = version;
    if (refused?.sha256 === sha256) {
      this.#refused.set(name, { ...refused, stamp });
      return refused.refusal;
    }
    await between?.();
    if (this.#kept.get(name)?.sha256 !== sha256) {
      try {
        await persistently(() => this.#calls.putFile(version), persistence);
      } catch (error) {
        if (!isRefusal(error)) throw error;
        if (!DAMAGED_CODES.has(error.code)) {
          this.#refused.set(name, { stamp, sha256, bytes: bytes.length, refusal: error });
        }
        return error;
      }
    }
    this.#kept.set(name, { stamp, sha256 });
    this.#refused.delete(name);
    return undefined;
  }
}

/** What came of the way, not of the file: the same bytes may arrive the next time. */
const DAMAGED_CODES: ReadonlySet<string> = new Set(["digest-mismatch", "truncated-file"]);

/** Whether this file will not do, whatever becomes of the others. */
function isRefusal(error: unknown): error is ApiError {
  return error instanceof ApiError && !isOutage(error) && !isLeaseLost(error);
}

/** @param refusals of each file */
function notKept(refusals: ReadonlyMap<string, ApiError>): Failure {
  const files = Map.groupBy(refusals, ([, refusal]) => failureText(refusal));
  const told = [...files].map(([why, refused]) => `${refused.map(([name]) => name).join(", ")}: ${why}`);
  return new Failure("refused", `not kept: ${told.join("; ")}`, {
    cause: refusals.values().next().value,
  });
}

/** Whether a file was too large and is no smaller now. The same is said of one too many, for which there may be room later. */
function isStillTooLarge(file: FileStamp, { bytes, refusal }: RefusedVersion): boolean {
  return isTooLarge(refusal) && refusal.problem?.["limit"] !== MOST_JOB_FILES && file.bytes >= bytes;
}
