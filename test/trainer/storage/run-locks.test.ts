import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type LockHolder, takeLocks } from "../../../trainer/storage/run-locks.ts";

const MODULE = fileURLToPath(new URL("../../../trainer/storage/run-locks.ts", import.meta.url));

let folder: string;
let path: string;
const children: ChildProcess[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "edgefuse-locks-"));
  path = join(folder, "out", ".fam-1.lock");
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  await rm(folder, { recursive: true });
});

const lock = (...paths: string[]) =>
  takeLocks(paths, (taken, { pid }: LockHolder) => new Error(`${taken} is held by ${pid}`));

/** Another process that takes the lock, says so, and does `then`. */
async function lockElsewhere(then: string): Promise<ChildProcess> {
  const program = `
    import { takeLocks } from ${JSON.stringify(MODULE)};
    await takeLocks([${JSON.stringify(path)}], () => new Error("held"));
    console.log("locked");
    ${then}`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  await once(child.stdout, "data");
  return child;
}
const FOR_EVER = "setInterval(() => undefined, 1000);";

describe("takeLocks", () => {
  it("makes the folder, and leaves nothing when the locks go", async () => {
    const release = await lock(path, join(folder, "out", "deep", ".fam-2.lock"));
    expect(await readdir(join(folder, "out"))).toEqual([".fam-1.lock", "deep"]);
    release();
    release();
    expect(await readdir(folder)).toEqual([]);
    (await lock(path))();
  });

  it("leaves a folder that something was put into", async () => {
    const release = await lock(path);
    await writeFile(join(folder, "out", "fam-1.safetensors"), "");
    release();
    expect(await readdir(join(folder, "out"))).toEqual(["fam-1.safetensors"]);
  });

  it("refuses a lock that a running process holds, and takes none of the others then", async () => {
    const { pid } = await lockElsewhere(FOR_EVER);
    const other = join(folder, "out", ".fam-0.lock");
    await expect(lock(other, path)).rejects.toThrow(`${path} is held by ${pid}`);
    expect(await readdir(join(folder, "out"))).toEqual([".fam-1.lock"]);
  });

  it("takes over from a process that was killed outright", async () => {
    const child = await lockElsewhere(FOR_EVER);
    child.kill("SIGKILL");
    await once(child, "close");
    expect(existsSync(path)).toBe(true);
    (await lock(path))();
    expect(await readdir(folder)).toEqual(["out"]);
  });

  it("goes with a process that ends early", async () => {
    const child = await lockElsewhere("process.exit(143);");
    await once(child, "close");
    expect(await readdir(folder)).toEqual([]);
  });

  it.each<[string, (own: LockHolder) => string]>([
    ["another process that had the number before", (own) => JSON.stringify({ ...own, started: "earlier" })],
    ["another host", (own) => JSON.stringify({ ...own, host: `not-${own.host}` })],
    ["nobody, as it was killed while it wrote", () => ""],
    ["nobody that it says", () => "{}"],
  ])("takes over the lock of %s", async (_, content) => {
    const release = await lock(path);
    const own = JSON.parse(await readFile(path, "utf8")) as LockHolder;
    release();
    await mkdir(join(folder, "out"));
    await writeFile(path, content(own));
    (await lock(path))();
    expect(await readdir(join(folder, "out"))).toEqual([]);
  });

  it("does not remove what another has taken over", async () => {
    const release = await lock(path);
    await writeFile(path, "another's");
    release();
    expect(await readFile(path, "utf8")).toBe("another's");
  });

  it("gives a stale lock to one of many", async () => {
    await mkdir(join(folder, "out"));
    await writeFile(path, "{}");
    const ended = await Promise.allSettled(Array.from({ length: 8 }, () => lock(path)));
    expect(ended.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  });

  it("gives a stale lock to one of many processes", async () => {
    await mkdir(join(folder, "out"));
    await writeFile(path, "{}");
    const program = `
      import { takeLocks } from ${JSON.stringify(MODULE)};
      await takeLocks([${JSON.stringify(path)}], () => new Error("held")).then(
        () => { console.log("locked"); ${FOR_EVER} },
        (error) => { console.log(error.message); process.exit(); },
      );`;
    const said = Array.from({ length: 4 }, async () => {
      const stdio = ["ignore", "pipe", "inherit"] as const;
      const child = spawn(process.execPath, ["--input-type=module", "-e", program], { stdio: [...stdio] });
      children.push(child);
      const [words] = await once(child.stdout as NodeJS.ReadableStream, "data");
      return String(words).trim();
    });
    expect((await Promise.all(said)).toSorted()).toEqual(["held", "held", "held", "locked"]);
  });

  it("takes over a stale lock whose guard was left by a process that was killed", async () => {
    await mkdir(`${path}.taking`, { recursive: true });
    await utimes(`${path}.taking`, 0, 0);
    await writeFile(path, "{}");
    (await lock(path))();
    expect(await readdir(join(folder, "out"))).toEqual([]);
  });
});
