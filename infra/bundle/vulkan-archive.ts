import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { brotliDecompress } from "node:zlib";

const ARCHIVE = new URL("../../node_modules/@sparticuz/chromium/bin/swiftshader.tar.br", import.meta.url);
const BLOCK = 512;

/**
 * The Vulkan libraries that Chromium brings, as the npm package `@sparticuz/chromium` carries them: the loader
 * (`libvulkan.so.1`), and SwiftShader, a GPU in software (`libvk_swiftshader.so` with `vk_swiftshader_icd.json`).
 * @returns files by name
 */
export async function readVulkanArchive(): Promise<Map<string, Uint8Array>> {
  return readTar(await promisify(brotliDecompress)(await readFile(ARCHIVE)));
}

/** The plain files of a tar archive (POSIX ustar: a header block, then the bytes, padded to whole blocks). */
function readTar(archive: Uint8Array): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  const text = (from: number, length: number) =>
    new TextDecoder().decode(archive.subarray(from, from + length)).replace(/\0.*$/s, "");
  for (let at = 0; at + BLOCK <= archive.length && archive[at] !== 0;) {
    const size = Number.parseInt(text(at + 124, 12), 8);
    const type = text(at + 156, 1);
    const begin = at + BLOCK;
    const isFile = type === "0" || type === "";
    if (isFile) files.set(text(at, 100), archive.subarray(begin, begin + size));
    at = begin + Math.ceil(size / BLOCK) * BLOCK;
  }
  return files;
}
