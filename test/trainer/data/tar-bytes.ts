export interface TarEntry {
  readonly name: string;
  readonly data?: Uint8Array;
  /** "0" for a plain file. */
  readonly type?: string;
}

/** Bytes of a ustar archive, with its end-of-archive mark. */
export function tarBytes(entries: readonly TarEntry[]): Uint8Array<ArrayBuffer> {
  const blocks = entries.flatMap(({ name, data = new Uint8Array(0), type = "0" }) => {
    const header = new Uint8Array(512);
    const write = (text: string, at: number) => header.set(new TextEncoder().encode(text), at);
    write(name, 0);
    write("0000644\0", 100);
    write(`${data.length.toString(8).padStart(11, "0")}\0`, 124);
    write("        ", 148);
    write(type, 156);
    write("ustar\u000000", 257);
    seal(header);
    const padded = new Uint8Array(512 * Math.ceil(data.length / 512));
    padded.set(data);
    return [header, padded];
  });
  return new Uint8Array(Buffer.concat([...blocks, new Uint8Array(1024)]));
}

/** Writes the checksum that the header's bytes need. */
export function seal(header: Uint8Array): void {
  header.fill(0x20, 148, 156);
  const sum = header.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  header.set(new TextEncoder().encode(`${sum.toString(8).padStart(6, "0")}\0 `), 148);
}
