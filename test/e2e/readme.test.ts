import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freePort } from "../../infra/local/free-port.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const run = promisify(execFile);

/** Commands that `.ci/run` runs as they stand, or that a test of its own runs with fewer epochs. */
const ELSEWHERE = [
  "npm ci && npm run demo",
  "npm ci && npm test",
  "npm run demo -- --dataset mnist --data-dir ../shared/data/mnist --pairs 5",
];
const SERVER = "EDGEFUSE_ADMIN_TOKEN=choose-one npm run dev -- --port 8787";

const readme = await readFile(join(ROOT, "README.md"), "utf8");
const blocks = Array.from(readme.matchAll(/^```sh\n(.*?)^```$/gms), (match) => (match[1] ?? "").trim());

describe("the README", () => {
  let folder: string;
  let port: number;
  let server: ReturnType<typeof spawn>;
  let transcript = "";

  beforeAll(async () => {
    // A folder that looks like the checkout, so that what the commands write does not land in it.
    folder = await mkdtemp(join(tmpdir(), "edgefuse-readme-"));
    for (const name of await readdir(ROOT)) {
      if (!name.startsWith(".git")) await symlink(join(ROOT, name), join(folder, name));
    }
    port = await freePort();
    const command = SERVER.replace("8787", `${port} --state ${join(folder, "state")}`);
    server = spawn("bash", ["-c", `exec ${command.replace(/^(\S+)=(\S+) /, "env $1=$2 ")}`], {
      cwd: folder,
      detached: true,
    });
    server.stdout?.on("data", (chunk: Buffer) => (transcript += chunk.toString()));
    server.stderr?.on("data", (chunk: Buffer) => (transcript += chunk.toString()));
    for (let attempt = 0; ; attempt++) {
      if (transcript.includes("Stop with Ctrl-C")) break;
      if (attempt === 400) throw new Error(`the worker did not start:\n${transcript}`);
      await new Promise((wake) => setTimeout(wake, 250));
    }
  });

  afterAll(async () => {
    const ended = once(server, "exit");
    if (server.pid !== undefined) process.kill(-server.pid, "SIGTERM");
    await ended;
    await rm(folder, { recursive: true, force: true });
  });

  it("shows commands", () => {
    expect(blocks).toContain(SERVER);
    for (const command of ELSEWHERE) expect(blocks).toContain(command);
  });

  it("names the commands that CI runs", async () => {
    const script = await readFile(join(ROOT, ".ci/run"), "utf8");
    for (const line of ["npm ci", "npm run demo", "npm test"]) expect(script).toMatch(new RegExp(`^${line}( |$)`, "m"));
  });

  it("says of a started worker where it is and where the token comes from, and not the token", () => {
    expect(transcript).toContain(`http://127.0.0.1:${port}`);
    expect(transcript).toContain("from EDGEFUSE_ADMIN_TOKEN");
    expect(transcript).not.toContain("choose-one");
  });

  it("shows commands that work, in order, in one shell", async () => {
    const lines = blocks.filter((block) => block !== SERVER && !ELSEWHERE.includes(block));
    expect(lines.length).toBeGreaterThan(7);
    const script = lines.join("\n").replaceAll("8787", String(port));
    const { stdout } = await run("bash", ["-euo", "pipefail", "-c", script], { cwd: folder, maxBuffer: 2 ** 24 });

    for (const picture of ["barrier.svg", "badge.svg", "remote-barrier.svg"]) {
      expect(await readFile(join(folder, picture), "utf8"), picture).toMatch(/^<svg /);
    }
    // The gate that lets pass, the page of what it published, and the one that refuses.
    expect(stdout).toMatch(/^gate passed: accuracyBarrier /m);
    expect(await readFile(join(folder, "page.html"), "utf8")).toMatch(/^<!doctype html>/i);
    expect(stdout).toMatch(/^gate refused: accuracyBarrier .* of at most 0\.001\nexit code 9$/m);
    expect(stdout).toMatch(/soup\.safetensors .* greedy soup of \d of 2, accuracy/);
    expect(stdout).toMatch(/learned soup of \d of 2, accuracy/);
    const fused = await readFile(join(folder, "fused.safetensors"));
    expect(fused.length).toBeGreaterThan(700_000);
    expect(stdout).toContain('"verified":true');
    expect(stdout).toContain('"code":"checkpoint-not-found"');
    expect(stdout).toMatch(/\D8\n/); // bytes of the range
    expect(await readFile(join(folder, "pulled.safetensors"))).toEqual(fused);
    const hidden = await readFile(join(folder, "private.safetensors"));
    expect([hidden.length, hidden.equals(fused)]).toEqual([fused.length, false]);
    expect(stdout).toContain("parameterCount"); // what Hugging Face's client read
    // A token is shown once, to whoever made it.
    expect(stdout).not.toMatch(/ef_[\w-]{43}/);
  }, 300_000);
});
