import { gunzip } from "node:zlib";
import { promisify } from "node:util";
import { basename } from "node:path/posix";
import { Failure } from "../failure.ts";

const BLOCK = 512;
/** An archive that unpacks to more is taken for corrupt; CIFAR-10 is 184 MB. */
const LARGEST = 1 << 30;

const latin = new TextDecoder("latin1");

/**
 * The plain files of a tar.gz, by their name without folders. Strict, since it reads what came over a network: every
 * header has its checksum, nothing is cut short, no name comes twice, and links, devices and names or sizes in extended
 * headers are refused. Nothing is written to disk. Format: POSIX.1-2001 `ustar` (pax headers for times and owners pass).
 * @param name for messages
 * @throws Failure `bad-input`
 */
export async function readTarball(
  file: Uint8Array<ArrayBuffer>,
  name: string,
): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
  return readTar(await unpack(file, name), name);
}

const unpackAsync = promisify(gunzip);

async function unpack(file: Uint8Array<ArrayBuffer>, name: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    const bytes: Buffer<ArrayBuffer> = await unpackAsync(file, { maxOutputLength: LARGEST });
    return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw bad(name, `gzip cannot unpack it (${reason})`, error);
  }
}

/** As {@link readTarball}, of an archive that is not packed. */
export function readTar(archive: Uint8Array<ArrayBuffer>, name: string): Map<string, Uint8Array<ArrayBuffer>> {
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  for (let at = 0; ;) {
    const header = archive.subarray(at, at + BLOCK);
    if (header.length < BLOCK) throw bad(name, "it ends before its end-of-archive mark");
    if (header.every((byte) => byte === 0)) return files;
    checkHeader(header, at, name);
    const size = octal(header, 124, 12);
    if (size === undefined) throw bad(name, `the entry at byte ${at} has no readable size`);
    const begin = at + BLOCK;
    if (begin + size > archive.length) throw bad(name, `the entry at byte ${at} is cut short`);
    const data = archive.subarray(begin, begin + size);
    const entry = text(header, 0, 100);
    const type = String.fromCharCode(header[156] ?? 0);
    switch (type) {
      case "0":
      case "\0": {
        const short = basename(entry);
        if (files.has(short)) throw bad(name, `it has two files ${JSON.stringify(short)}`);
        files.set(short, data);
        break;
      }
      case "5": // a folder
        break;
      case "x":
      case "g":
        if (/(?:^|\n)\d+ (?:path|size|linkpath|GNU\.sparse[^=]*)=/.test(latin.decode(data))) {
          throw bad(name, `the extended header at byte ${at} renames or resizes an entry`);
        }
        break;
      default:
        throw bad(name, `${JSON.stringify(entry)} is not a plain file (type ${JSON.stringify(type)})`);
    }
    at = begin + BLOCK * Math.ceil(size / BLOCK);
  }
}

/** The sum of a header's bytes, its own field counted as spaces, stands in the field at byte 148. */
function checkHeader(header: Uint8Array, at: number, name: string): void {
  let sum = 0;
  for (let index = 0; index < BLOCK; index++) {
    sum += index >= 148 && index < 156 ? 0x20 : (header[index] ?? 0);
  }
  if (octal(header, 148, 8) !== sum) throw bad(name, `there is no tar header at byte ${at}, or a damaged one`);
}

/** A number in octal digits between spaces and a NUL; nothing for any other text (base-256 sizes are beyond LARGEST). */
function octal(header: Uint8Array, at: number, length: number): number | undefined {
  const digits = text(header, at, length).trim();
  return /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : undefined;
}

/** A field up to its first NUL. */
function text(header: Uint8Array, at: number, length: number): string {
  const field = header.subarray(at, at + length);
  const end = field.indexOf(0);
  return latin.decode(end === -1 ? field : field.subarray(0, end));
}

function bad(name: string, what: string, cause?: unknown): Failure {
  return new Failure("bad-input", `${name} is not a usable tar.gz archive: ${what}. Get the file again.`, { cause });
}
