/** Builds dist/edgefuse-linux-x64/ and packs it beside itself; says how large they are. */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { buildBundle, packBundle } from "./build-bundle.ts";

const root = join(import.meta.dirname, "../..");
const folder = join(root, "dist/edgefuse-linux-x64");
const archive = `${folder}.tar.gz`;

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;

await buildBundle(root, folder);
let total = 0;
const largest: { path: string; size: number }[] = [];
for (const path of await readdir(folder, { recursive: true })) {
  const status = await stat(join(folder, path));
  if (!status.isFile()) continue;
  total += status.size;
  largest.push({ path, size: status.size });
}
largest.sort((a, b) => b.size - a.size);
for (const { path, size } of largest.slice(0, 8)) process.stdout.write(`${megabytes(size).padStart(10)}  ${path}\n`);
process.stdout.write(`${megabytes(total).padStart(10)}  dist/edgefuse-linux-x64/\n`);
const packed = await packBundle(folder, archive);
process.stdout.write(`${megabytes(packed).padStart(10)}  dist/edgefuse-linux-x64.tar.gz\n`);
