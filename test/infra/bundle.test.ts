import { spawn, spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { decodeSafetensors } from "../../shared/safetensors/index.ts";
import { VERSION } from "../../shared/version.ts";
import { buildBundle, packBundle } from "../../infra/bundle/build-bundle.ts";
import { EXIT_CODES } from "../../trainer/failure.ts";
import { softwareGpu } from "../support/software-gpu.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const MAX_BYTES = 60e6;
const MINUTES = 60_000;

const gpu = await softwareGpu();
/** A network namespace of its own, where the machine allows that: nothing can be reached, not even by mistake. */
const OFFLINE = spawnSync("unshare", ["-rn", "true"]).status === 0 ? ["unshare", "-rn"] : [];

// It is for Linux on x64, and built from the Node that npm installed there.
describe.skipIf(process.platform !== "linux" || process.arch !== "x64")("the bundle, unpacked on a bare host", () => {
  let home: string;
  let packedBytes: number;

  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), "edgefuse-bundle-"));
    const [folder, archive] = [join(home, "built/edgefuse-linux-x64"), join(home, "edgefuse.tar.gz")];
    await buildBundle(ROOT, folder);
    packedBytes = await packBundle(folder, archive);
    // What runs must be what was packed.
    await rm(join(home, "built"), { recursive: true });
    await mkdir(join(home, "host"));
    const { status, stderr } = spawnSync("tar", ["-xzf", archive, "-C", join(home, "host")], { encoding: "utf8" });
    if (status !== 0) throw new Error(`tar: ${stderr}`);
  }, 5 * MINUTES);
  afterAll(() => rm(home, { recursive: true, force: true }));

  /** Runs the launcher with nothing of our environment. */
  async function run(words: readonly string[], environment: Readonly<Record<string, string>> = {}, launcher?: string) {
    const [program = "", ...rest] = [...OFFLINE, launcher ?? join(home, "host/edgefuse-linux-x64/edgefuse"), ...words];
    const child = spawn(program, rest, {
      cwd: join(home, "host"),
      env: { PATH: "/usr/bin:/bin", HOME: join(home, "host"), ...environment },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let [stdout, stderr] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    const code = await new Promise<number | null>((resolve, reject) => {
      child.on("error", reject);
      child.on("close", resolve);
    });
    return { code, stdout, stderr };
  }

  const family = ["train", "--dataset", "glyphs", "--epochs", "1", "--hidden", "8", "--batch", "2000", "--json"];

  async function trainingOf(folder: string): Promise<Record<string, unknown>[]> {
    const files = (await readdir(join(home, "host", folder))).filter((name) => name.endsWith(".safetensors")).sort();
    return Promise.all(
      files.map(async (name) => {
        const { header } = decodeSafetensors(new Uint8Array(await readFile(join(home, "host", folder, name))));
        return JSON.parse(header.metadata["edgefuse.training"] ?? "null") as Record<string, unknown>;
      }),
    );
  }

  it("takes less than 60 MB packed", () => {
    expect(packedBytes).toBeLessThan(MAX_BYTES);
    expect(packedBytes).toBeGreaterThan(MAX_BYTES / 4);
  });

  it("carries the licences of what it is made of", async () => {
    const text = await readFile(join(home, "host/edgefuse-linux-x64/THIRD-PARTY-LICENSES.txt"), "utf8");
    const titles = ["Node.js", "@tensorflow/tfjs-core ", "@tensorflow/tfjs-backend-wasm ", "webgpu ", "zod ", "Vulkan"];
    for (const title of titles) expect(text).toMatch(new RegExp(`^${title}`, "m"));
    expect(await readFile(join(home, "host/edgefuse-linux-x64/LICENSE"), "utf8")).toMatch(/Apache License/);
  });

  it("says its version and its commands, through a link too", async () => {
    expect(await run(["--version"])).toEqual({ code: 0, stdout: `edgefuse ${VERSION}\n`, stderr: "" });
    const link = join(home, "host/ef");
    await symlink(join(home, "host/edgefuse-linux-x64/edgefuse"), link);
    const help = await run(["--help"], {}, link);
    expect(help).toMatchObject({ code: 0, stderr: "" });
    const commands = ["train", "shard", "fuse", "push"].map((command) => new RegExp(`^  ${command} `, "m"));
    for (const command of commands) expect(help.stdout).toMatch(command);
  });

  it("trains a family on the CPU in two threads, and fuses it", { timeout: 2 * MINUTES }, async () => {
    const trained = await run([...family, "--models", "2", "--out", "cpu", "--backend", "wasm"]);
    expect(trained.stderr).not.toMatch(/error/i);
    expect(trained.code).toBe(0);
    expect(await trainingOf("cpu")).toMatchObject([{ backend: "wasm" }, { backend: "wasm" }]);
    const files = (await readdir(join(home, "host/cpu"))).filter((name) => name.endsWith(".safetensors"));
    const fused = await run(["fuse", ...files.map((name) => `cpu/${name}`), "-o", "fused.safetensors"]);
    expect(fused, fused.stderr).toMatchObject({ code: 0 });
    expect(await readdir(join(home, "host"))).toContain("fused.safetensors");
  });

  it("refuses a GPU that is not there with one line and an exit code of its own", async () => {
    const { code, stderr } = await run([...family, "--models", "1", "--out", "none", "--backend", "webgpu"], {
      VK_DRIVER_FILES: "/nowhere/icd.json",
    });
    expect(code).toBe(EXIT_CODES["no-gpu"].code);
    expect(stderr.trimEnd().split("\n")).toEqual([expect.stringMatching(/VK_DRIVER_FILES names \/nowhere\/icd\.json/)]);
  });

  it.skipIf(gpu === undefined)("trains on WebGPU where a driver is given", { timeout: 5 * MINUTES }, async () => {
    // The driver alone: the loader is the bundle's where the system has none.
    const { VK_DRIVER_FILES = "" } = gpu ?? {};
    const words = [...family, "--models", "1", "--out", "gpu", "--backend", "webgpu"];
    const { code, stderr } = await run(words, { VK_DRIVER_FILES });
    expect(code, stderr).toBe(0);
    const adapter = expect.stringMatching(/swiftshader.*, software$/i);
    expect(await trainingOf("gpu")).toMatchObject([{ backend: "webgpu", adapter, steps: 4 }]);
  });
});
