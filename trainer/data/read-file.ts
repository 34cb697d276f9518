import { readFile } from "node:fs/promises";
import { Failure } from "../failure.ts";

/**
 * A whole file, or nothing where there is none.
 * @throws Failure `bad-input` for a folder or a file beyond 2 GiB; else the error of the file system, which names the file
 */
export async function readIfThere(path: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    const bytes = await readFile(path);
    return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    switch (code) {
      case "ENOENT":
        return undefined;
      // The system's own words for these do not name the file.
      case "EISDIR":
        throw new Failure("bad-input", `${path} is a folder where a file is needed.`, { cause: error });
      case "ERR_FS_FILE_TOO_LARGE":
        throw new Failure("bad-input", `${path} is larger than 2 GiB; cut it into smaller files.`, { cause: error });
      default:
        throw error;
    }
  }
}
