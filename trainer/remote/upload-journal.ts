import { createHash } from "node:crypto";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { type UploadId, uploadId } from "../../shared/api/index.ts";
import type { CommandContext } from "../command-line/command.ts";
import { cacheDirectory } from "../data/cache-directory.ts";
import { writeAtomically } from "../storage/atomic-file.ts";

/** Remembers, between runs, under which id a file is being uploaded. */
export interface UploadJournal {
  find(): Promise<UploadId | undefined>;
  note(id: UploadId): Promise<void>;
  forget(): Promise<void>;
}

/**
 * The journal of one file at one worker, in the cache folder. Where that cannot be written there is no journal, and an
 * upload that breaks off begins anew.
 * @param origin of the worker
 * @param sha256 of the file
 */
export function uploadJournal(
  environment: CommandContext["environment"],
  origin: string,
  sha256: string,
): UploadJournal {
  const name = createHash("sha256").update(`${origin} ${sha256}`).digest("hex");
  const path = join(cacheDirectory(environment), "uploads", name);
  return {
    async find() {
      const text = await readFile(path, "utf8").catch(() => "");
      return uploadId.safeParse(text.trim()).data;
    },
    async note(id) {
      await writeAtomically(path, new TextEncoder().encode(`${id}\n`)).catch(() => undefined);
    },
    async forget() {
      await rm(path, { force: true }).catch(() => undefined);
    },
  };
}
