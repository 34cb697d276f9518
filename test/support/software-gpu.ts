import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readVulkanArchive } from "../../infra/bundle/vulkan-archive.ts";
import { LOADER_VARIABLE } from "../../trainer/backend/webgpu/dawn.ts";

/** Environment that makes a process find SwiftShader, a GPU in software. */
export type GpuEnvironment = Readonly<Record<string, string>>;

const CACHE = fileURLToPath(new URL("../../.edgefuse/", import.meta.url));
const PROBE = fileURLToPath(new URL("./probe-gpu.ts", import.meta.url));
/** Where Debian's chromium installs it, with a loader beside it. */
const INSTALLED = "/usr/lib/chromium";

/**
 * A GPU in software that starts: the one that comes through npm, else an installed one. Undefined, loudly, where neither
 * does; under CI it throws instead, because there the GPU tests must run.
 */
export async function softwareGpu(): Promise<GpuEnvironment | undefined> {
  const failures: string[] = [];
  for (const find of [unpackArchive, async () => INSTALLED]) {
    try {
      const folder = await find();
      const environment = {
        VK_DRIVER_FILES: join(folder, "vk_swiftshader_icd.json"),
        [LOADER_VARIABLE]: join(folder, "libvulkan.so.1"),
      };
      const { status, stderr } = spawnSync(process.execPath, [PROBE], {
        env: { PATH: process.env["PATH"], HOME: process.env["HOME"], ...environment },
        encoding: "utf8",
      });
      if (status === 0) return environment;
      failures.push(stderr.trim());
    } catch (error) {
      failures.push(error instanceof Error ? error.message : String(error));
    }
  }
  const message = `no SwiftShader starts here (${failures.join("; ")}); run: apt-get install -y libvulkan1 chromium`;
  if (process.env["CI"] === "true") throw new Error(message);
  process.stderr.write(`\n*** GPU TESTS SKIPPED: ${message} ***\n\n`);
  return undefined;
}

/** Unpacks npm's once a checkout; complete as soon as the folder has its name, whoever else unpacks at the time. */
async function unpackArchive(): Promise<string> {
  if (process.platform !== "linux" || process.arch !== "x64") throw new Error("npm's is for Linux on x64");
  const folder = join(CACHE, "swiftshader");
  if (existsSync(folder)) return folder;
  await mkdir(CACHE, { recursive: true });
  const draft = await mkdtemp(join(CACHE, "swiftshader-"));
  for (const [name, bytes] of await readVulkanArchive()) await writeFile(join(draft, name), bytes, { mode: 0o755 });
  await rename(draft, folder).catch(async (error: unknown) => {
    await rm(draft, { recursive: true });
    if (!existsSync(folder)) throw error;
  });
  return folder;
}
