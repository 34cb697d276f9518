import type { JobFile } from "../../shared/api/jobs.ts";
import { type FileStamp, readVersion, recordFiles, reportFiles, stateFiles } from "./attempt-files.ts";
import type { LeaseCalls } from "./lease-calls.ts";
import { type Persistence, persistently } from "./persistence.ts";

/**
 * Keeps what another attempt can go on from where all agents reach it: uploads files that changed, now and then while
 * the job runs, and at its stop.
 */
export class StateKeeper {
  readonly #calls: Pick<LeaseCalls, "putFile">;
  readonly #out: string;
  /** Of each file that the deployment has: what tells its versions apart, cheaply and surely. */
  readonly #kept = new Map<string, { readonly stamp: string; readonly sha256: string }>();
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
   * state, and is up before it.
   * @throws LeaseLost; what else {@link persistently} gives up with
   */
  keep(persistence: Persistence): Promise<void> {
    return this.#afterOthers(async () => {
      const records = async () => {
        for (const record of await recordFiles(this.#out)) await this.#put(record, persistence);
      };
      for (const state of await stateFiles(this.#out)) await this.#put(state, persistence, records);
      await records();
    });
  }

  /** Uploads what is there for people. @throws as {@link StateKeeper.keep} */
  keepReports(persistence: Persistence): Promise<void> {
    return this.#afterOthers(async () => {
      for (const file of [...(await recordFiles(this.#out)), ...(await reportFiles(this.#out))]) {
        await this.#put(file, persistence);
      }
    });
  }

  /** @param between done once the file was read, before it is sent */
  async #put(file: FileStamp, persistence: Persistence, between?: () => Promise<void>): Promise<void> {
    const { name, stamp } = file;
    if (this.#kept.get(name)?.stamp === stamp) return;
    const version = await readVersion(file);
    if (version === undefined) return;
    await between?.();
    if (this.#kept.get(name)?.sha256 !== version.sha256) {
      await persistently(() => this.#calls.putFile(version), persistence);
    }
    this.#kept.set(name, { stamp, sha256: version.sha256 });
  }

  #afterOthers(work: () => Promise<void>): Promise<void> {
    const keeping = this.#keeping.then(work);
    this.#keeping = keeping.catch(() => undefined);
    return keeping;
  }
}
