import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startChild } from "../../../trainer/agent/child.ts";
import { writeShardFolder } from "../../support/shard-folder.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "edgefuse-child-"));
  await writeShardFolder(join(folder, "data"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const environment = { PATH: process.env["PATH"] ?? "" };
/** Longer than any test: it has to be ended. */
const endless = () => [
  ...["train", "--dataset", "shards", "--data-dir", join(folder, "data"), "--backend", "wasm", "--models", "1"],
  ...["--hidden", "8", "--batch", "8", "--epochs", "100000", "--checkpoint-every", "never", "--name", "fam"],
  ...["--out", join(folder, "out")],
];

describe("the process of a job", () => {
  it("tells its lines and its exit code", async () => {
    const lines: [string, string][] = [];
    const onLine = (line: string, from: string) => void lines.push([from, line]);
    const good = startChild({ words: ["--version"], environment, folder, onLine });
    expect(await good.ended).toEqual({ exitCode: 0, killed: false });
    const bad = startChild({ words: ["trian"], environment, folder, onLine });
    expect(await bad.ended).toEqual({ exitCode: 2, killed: false });
    expect(lines).toEqual([
      ["stdout", expect.stringMatching(/^edgefuse \d/)],
      ["stderr", expect.stringContaining("Did you mean train?")],
    ]);
  });

  it("saves its state when it is stopped, however often", async () => {
    const lines: string[] = [];
    const child = startChild({ words: endless(), environment, folder, onLine: (line) => void lines.push(line) });
    while (!lines.some((line) => / step +\d/.test(line))) await sleep(10);
    child.stop(60_000);
    child.stop(1);
    expect(await child.ended).toEqual({ exitCode: 75, killed: false });
    expect(await readFile(join(folder, "out/.fam-1.state.safetensors"))).not.toHaveLength(0);
  });

  it("is killed where it does not end in time", async () => {
    const child = startChild({ words: endless(), environment, folder, onLine: () => child.stop(0) });
    expect(await child.ended).toEqual({ exitCode: 137, killed: true });
  });

  it("ends when its agent is killed outright", async () => {
    const agent = join(folder, "agent.ts");
    const module = new URL("../../../trainer/agent/child.ts", import.meta.url).href;
    await writeFile(
      agent,
      `import { startChild } from ${JSON.stringify(module)};
       const onLine = (line) => process.stdout.write(child.pid + " " + line + "\\n");
       const child = startChild({ words: ${JSON.stringify(endless())}, environment: process.env, folder: ".", onLine });`,
    );
    const running = spawn(process.execPath, [agent], { env: environment, stdio: ["ignore", "pipe", "inherit"] });
    const pid = await new Promise<number>((resolve) => {
      running.stdout.setEncoding("utf8").on("data", (text: string) => {
        const [, found] = /^(\d+) .* step +\d/m.exec(text) ?? [];
        if (found !== undefined) resolve(Number(found));
      });
    });
    expect(isAlive(pid)).toBe(true);
    running.kill("SIGKILL");
    await expect.poll(() => isAlive(pid), { timeout: 20_000 }).toBe(false);
  });
});

/** Whether a process runs; one that has ended and nobody has asked about yet does not. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // Where there is no such file, the signal's word is taken for it.
    return !existsSync("/proc/self/stat") || !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}
