import { gzipSync } from "node:zlib";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readTar, readTarball } from "../../../trainer/data/tar.ts";
import { Failure } from "../../../trainer/failure.ts";
import { failureOf } from "./failure-of.ts";
import { seal, tarBytes } from "./tar-bytes.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const pack = (archive: Uint8Array) => new Uint8Array(gzipSync(archive));
const archive = tarBytes([
  { name: "set/", type: "5" },
  { name: "set/a.bin", data: bytes("a".repeat(700)) },
  { name: "set/empty.txt" },
  { name: "set/b.bin", data: bytes("bb") },
]);

describe("readTarball", () => {
  it("gives the plain files by name", async () => {
    const files = await readTarball(pack(archive), "set.tar.gz");
    expect([...files.keys()]).toEqual(["a.bin", "empty.txt", "b.bin"]);
    expect([...files.values()].map((file) => new TextDecoder().decode(file))).toEqual(["a".repeat(700), "", "bb"]);
  });

  it("lets extended headers of times and owners pass", () => {
    const files = readTar(
      tarBytes([
        { name: "pax", type: "x", data: bytes("20 mtime=1234567890.5\n17 LIBARCHIVE.x=y\n") },
        { name: "a.bin", data: bytes("a") },
      ]),
      "set",
    );
    expect([...files.keys()]).toEqual(["a.bin"]);
  });

  const damaged = archive.slice();
  damaged[512] = 0x7a; // the name of a.bin
  const wrongSize = archive.slice();
  wrongSize.set(bytes("zzzz"), 512 + 124);
  seal(wrongSize.subarray(512));
  const packed = pack(archive);

  it.each<[string, Uint8Array<ArrayBuffer>, RegExp]>([
    ["what is not packed", archive, /gzip cannot unpack it/],
    ["an empty file", new Uint8Array(0), /gzip cannot unpack it/],
    ["gzip cut short", packed.slice(0, -20), /gzip cannot unpack it/],
    ["text in gzip", pack(bytes("<html>404</html>".repeat(100))), /no tar header at byte 0/],
    ["an archive cut short in a file", pack(archive.slice(0, 1500)), /entry at byte 512 is cut short/],
    ["an archive without its end", pack(archive.slice(0, -1024)), /before its end-of-archive mark/],
    ["a header that was changed", pack(damaged), /no tar header at byte 512, or a damaged one/],
    ["a size that is no number", pack(wrongSize), /entry at byte 512 has no readable size/],
    ["a symbolic link", pack(tarBytes([{ name: "a.bin", type: "2" }])), /"a\.bin" is not a plain file/],
    ["a hard link", pack(tarBytes([{ name: "a.bin", type: "1" }])), /"a\.bin" is not a plain file/],
    ["a long name of GNU", pack(tarBytes([{ name: "././@LongLink", type: "L" }])), /is not a plain file/],
    [
      "a name in an extended header",
      pack(tarBytes([{ name: "pax", type: "x", data: bytes("16 path=../evil\n") }])),
      /renames or resizes/,
    ],
    ["two files of one name", pack(tarBytes([{ name: "x/a.bin" }, { name: "y/a.bin" }])), /two files "a\.bin"/],
  ])("refuses %s in one line that names the archive", async (_, file, message) => {
    const { kind, message: line } = await failureOf(() => readTarball(file, "set.tar.gz"));
    expect(kind).toBe("bad-input");
    expect(line).toMatch(message);
    expect(line).toMatch(/^set\.tar\.gz is not a usable tar\.gz archive: .*Get the file again\.$/);
  });

  it("either reads or fails as bad input, whatever the bytes", () => {
    const length = archive.length;
    fc.assert(
      fc.property(fc.nat({ max: 2600 }), fc.nat({ max: 255 }), fc.nat({ max: length }), (at, byte, end) => {
        const file = archive.slice();
        file[at] = byte;
        try {
          for (const data of readTar(file.slice(0, end), "fuzz").values()) {
            expect(data.length).toBeLessThanOrEqual(length);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(Failure);
        }
      }),
    );
  });
});
