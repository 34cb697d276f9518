/**
 * Compiles the AssemblyScript kernels in `shared/kernels/assembly` to `shared/kernels/build/*.wasm`.
 *
 * Each module imports the tfjs backend's memory, so it must bring no data segment and no allocator of its own:
 * `--runtime stub`, and a check that the compiler emitted no data.
 */
import { mkdir, readFile, readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { main as compile } from "assemblyscript/asc";

const root = join(import.meta.dirname, "../..");
const source = join(root, "shared/kernels/assembly");
const target = join(root, "shared/kernels/build");

await mkdir(target, { recursive: true });
for (const file of (await readdir(source)).filter((name) => name.endsWith(".ts")).sort()) {
  const out = join(target, `${basename(file, ".ts")}.wasm`);
  const { error, stderr } = await compile([
    join(source, file),
    ...["--outFile", out, "--config", "none"],
    ...["--importMemory", "--initialMemory", "1", "--runtime", "stub", "--noAssert"],
    ...["--optimizeLevel", "3", "--shrinkLevel", "0", "--converge", "--enable", "simd", "--enable", "relaxed-simd"],
  ]);
  if (error) {
    process.stderr.write(`${stderr.toString()}\n`);
    throw new Error(`${file} did not compile: ${error.message}`);
  }
  const module = await readFile(out);
  if (hasDataSegment(module)) throw new Error(`${file} has static data, which would overwrite the tfjs heap`);
  process.stdout.write(`${basename(out)}: ${module.length} bytes\n`);
}

/** Whether a WebAssembly module has a data section (id 11). */
function hasDataSegment(module: Uint8Array): boolean {
  let at = 8;
  while (at < module.length) {
    const id = module[at++];
    let size = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = module[at++] ?? 0;
      size |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    if (id === 11) return true;
    at += size;
  }
  return false;
}
