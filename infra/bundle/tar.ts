import { lstat, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

const BLOCK = 512;

/**
 * A folder as a tar archive (POSIX ustar), the same bytes for the same files: sorted, without owners or times.
 * @param folder its contents come under its name
 * @param name of the folder in the archive
 */
export async function* tarOf(folder: string, name: string): AsyncGenerator<Uint8Array> {
  for (const path of (await readdir(folder, { recursive: true })).sort()) {
    const status = await lstat(join(folder, path));
    if (!status.isFile()) continue;
    const bytes = await readFile(join(folder, path));
    yield header(`${name}/${path}`, bytes.length, (status.mode & 0o100) !== 0);
    yield bytes;
    yield new Uint8Array(-bytes.length & (BLOCK - 1));
  }
  yield new Uint8Array(2 * BLOCK);
}

function header(path: string, size: number, executable: boolean): Uint8Array {
  const block = new Uint8Array(BLOCK);
  const put = (at: number, text: string) => block.set(new TextEncoder().encode(text), at);
  const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, "0")}\0`;
  const [prefix, name] = splitPath(path);
  put(0, name);
  put(100, octal(executable ? 0o755 : 0o644, 7));
  put(108, octal(0, 7));
  put(116, octal(0, 7));
  put(124, octal(size, 11));
  put(136, octal(0, 11));
  put(148, " ".repeat(8));
  put(156, "0");
  put(257, "ustar");
  put(263, "00");
  put(345, prefix);
  put(
    148,
    `${octal(
      block.reduce((sum, byte) => sum + byte, 0),
      6,
    )} `,
  );
  return block;
}

/** A name has 100 bytes, and what stands before one of its slashes another 155. */
function splitPath(path: string): [prefix: string, name: string] {
  if (path.length <= 100) return ["", path];
  const slash = path.indexOf("/", path.length - 101);
  if (slash === -1 || slash > 155) throw new Error(`${path} is too long for a tar archive`);
  return [path.slice(0, slash), path.slice(slash + 1)];
}
