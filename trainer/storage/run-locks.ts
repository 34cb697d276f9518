import { existsSync, mkdirSync, readFileSync, rmdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import * as z from "zod";
import { Failure } from "../failure.ts";

/** Milliseconds after which a lock that is still empty was left by a process that was killed as it wrote it. */
const WRITING_MS = 100;
/** Milliseconds after which a guard was left by a process that was killed. */
const GUARD_MS = 5_000;
/** Others may come and go meanwhile, but not without end. */
const MOST_ATTEMPTS = 100;

/** Which process holds a lock. A number alone may have gone to another process since. */
const holderSchema = z.object({ host: z.string(), pid: z.int().min(1), started: z.string() });
export type LockHolder = z.infer<typeof holderSchema>;

/**
 * Takes locks: files that say which process holds them. They go with {@link takeLocks}'s answer, and where the process
 * ends early; one whose process was killed outright is taken over. So is one of another host, whose processes nobody
 * here can ask about: locks hold between the processes of one machine.
 * @param paths of the lock files; their folders are made as needed, and go again with the locks where they are empty
 * @param refusal makes the error of a lock that another process holds; none is taken then
 * @returns releases them all; a second time it does nothing
 */
export async function takeLocks(
  paths: readonly string[],
  refusal: (path: string, holder: LockHolder) => Error,
): Promise<() => void> {
  const own = JSON.stringify({ host: hostname(), pid: process.pid, started: startOf(process.pid) ?? "" });
  const held: string[] = [];
  const made: string[] = [];
  const release = () => {
    process.off("exit", release);
    for (const path of held.splice(0)) if (contentOf(path) === own) rmSync(path, { force: true });
    for (const folder of made.splice(0)) removeIfEmpty(folder);
  };
  process.once("exit", release);
  try {
    for (const path of paths) {
      made.unshift(...(await makeFolder(dirname(path))));
      const holder = await take(path, own);
      if (holder !== undefined) throw refusal(path, holder);
      held.push(path);
    }
  } catch (error) {
    // Where nothing can be written nothing can be broken either.
    if (["EACCES", "EPERM", "EROFS"].includes(codeOf(error))) return release;
    release();
    throw error;
  }
  return release;
}

/** @returns whose it is, where it is another's */
async function take(path: string, own: string): Promise<LockHolder | undefined> {
  for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
    try {
      writeFileSync(path, own, { flag: "wx" });
      return undefined;
    } catch (error) {
      if (codeOf(error) !== "EEXIST") {
        // Of a full disk: the file is there, and empty.
        rmSync(path, { force: true });
        throw error;
      }
    }
    const found = contentOf(path);
    if (found === undefined) continue;
    const holder = holderOf(found);
    if (holder !== undefined && isRunning(holder)) return holder;
    if (found === "") {
      await sleep(WRITING_MS);
      if (contentOf(path) !== "") continue;
    }
    await removeStale(path, found);
  }
  throw new Failure("internal", `The lock ${path} cannot be taken; remove it.`);
}

/**
 * Removes a lock that has this content. Whoever does so holds a guard, so that nobody who read the content earlier takes
 * away what another process has put in its place meanwhile.
 */
async function removeStale(path: string, content: string): Promise<void> {
  const guard = `${path}.taking`;
  try {
    mkdirSync(guard);
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error;
    await sleep(WRITING_MS);
    // Of a process that was killed as it held it, which takes microseconds.
    if (Date.now() - (statSync(guard, { throwIfNoEntry: false })?.mtimeMs ?? Infinity) > GUARD_MS) removeIfEmpty(guard);
    return;
  }
  try {
    if (contentOf(path) === content) rmSync(path, { force: true });
  } finally {
    removeIfEmpty(guard);
  }
}

function contentOf(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

function holderOf(content: string): LockHolder | undefined {
  try {
    return holderSchema.safeParse(JSON.parse(content)).data;
  } catch {
    return undefined;
  }
}

function isRunning({ host, pid, started }: LockHolder): boolean {
  return host === hostname() && startOf(pid) === started;
}

/**
 * When a process began: boot and clock ticks since (`proc_pid_stat(5)`, field 22); where the system does not say, a word
 * that is the same for all. Undefined where there is no such process any more.
 */
function startOf(pid: number): string | undefined {
  if (!existsSync("/proc/self/stat")) return isThere(pid) ? "at some time" : undefined;
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is the name of the program, which may hold spaces and brackets.
    const [state = "", ...fields] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (state === "Z" || state === "X") return undefined;
    return `${readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()} ${fields[18]}`;
  } catch {
    return undefined;
  }
}

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return codeOf(error) === "EPERM";
  }
}

/** @returns the folders that were made, the innermost first */
async function makeFolder(folder: string): Promise<string[]> {
  const outermost = await mkdir(folder, { recursive: true });
  const made: string[] = [];
  if (outermost === undefined) return made;
  for (let at = resolve(folder); at.length >= resolve(outermost).length; at = dirname(at)) made.push(at);
  return made;
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // Something is in it by now.
  }
}
