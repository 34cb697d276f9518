import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { access, link, mkdir, open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { BYTES_AT_ONCE, writeAll } from "./bytes-at-once.ts";

/** A file that comes into being whole or not at all. */
export interface AtomicFile {
  /** Appends. */
  write(bytes: Uint8Array): Promise<void>;
  /**
   * Flushes to disk and gives the file its name.
   * @throws Error `EEXIST` where the name must be new and is taken; the file is then discarded
   */
  commit(): Promise<void>;
  /** Removes what was written; after {@link AtomicFile.commit}, and a second time, it does nothing. */
  discard(): Promise<void>;
}

/**
 * Opens a temporary file beside `path`, which gets that name once it is whole. Folders are made as needed. Whatever was
 * there stays until then. The temporary file also goes where the process ends early, unless it is killed outright.
 * @param replace false: the name must be new
 * @param atOnce bytes of one write at most
 */
export async function openAtomically(
  path: string,
  { replace, atOnce = BYTES_AT_ONCE }: { readonly replace: boolean; readonly atOnce?: number },
): Promise<AtomicFile> {
  const directory = dirname(path);
  await mkdir(directory, { recursive: true });
  const temporary = join(directory, `.${basename(path)}.${randomBytes(6).toString("hex")}.part`);
  const file = await open(temporary, "wx");
  const remove = () => rmSync(temporary, { force: true });
  process.once("exit", remove);
  let isOpen = true;
  const close = async () => {
    if (isOpen) await file.close();
    isOpen = false;
  };
  const discard = async () => {
    await close();
    await rm(temporary, { force: true });
    process.off("exit", remove);
  };
  return {
    write: (bytes) => writeAll(file, bytes, atOnce),
    async commit() {
      try {
        await file.sync();
        await close();
        await giveName(temporary, path, { replace });
      } finally {
        await discard();
      }
    },
    discard,
  };
}

/**
 * Writes a file so that its name never stands for a part of it; see {@link openAtomically}. After a failure the temporary
 * file is gone and what was there before remains.
 */
export async function writeAtomically(path: string, bytes: Uint8Array): Promise<void> {
  const file = await openAtomically(path, { replace: true });
  try {
    await file.write(bytes);
    await file.commit();
  } finally {
    await file.discard();
  }
}

/**
 * Gives a whole file, which lies on the same file system, its name.
 * @throws Error `EEXIST` where the name must be new and is taken
 */
export async function giveName(
  temporary: string,
  path: string,
  { replace }: { readonly replace: boolean },
): Promise<void> {
  if (replace) await rename(temporary, path);
  else await nameNew(temporary, path);
  await syncDirectory(dirname(path));
}

/** Gives a file a name that must be new: a hard link fails where the name is taken, without a moment between. */
async function nameNew(temporary: string, path: string): Promise<void> {
  try {
    await link(temporary, path);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "EEXIST") throw error;
    // Some file systems have no hard links; then looking first is the best there is.
    if (await exists(path)) throw Object.assign(new Error(`EEXIST: ${path} exists`), { code: "EEXIST" });
    await rename(temporary, path);
  }
}

export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** A name is on disk once its folder is. Where folders cannot be synced, the system does it in its own time. */
async function syncDirectory(directory: string): Promise<void> {
  try {
    const handle = await open(directory, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch {
    // Windows opens no folders.
  }
}
