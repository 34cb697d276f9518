import { gzipSync } from "node:zlib";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseIdx } from "../../../trainer/data/idx.ts";
import { Failure } from "../../../trainer/failure.ts";
import { idxBytes } from "./idx-bytes.ts";

const images = idxBytes([2, 2, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 255]);

/** The same file with some bytes replaced. */
function patched(at: number, ...bytes: number[]): Uint8Array<ArrayBuffer> {
  const copy = images.slice();
  copy.set(bytes, at);
  return copy;
}

describe("parseIdx", () => {
  it("reads shape and data, packed or not", () => {
    for (const file of [images, new Uint8Array(gzipSync(images))]) {
      const { shape, data } = parseIdx(file, "images", 3);
      expect(shape).toEqual([2, 2, 3]);
      expect([...data]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 255]);
    }
  });

  const packed = new Uint8Array(gzipSync(images));
  const damaged = packed.slice();
  damaged[packed.length - 6] = (damaged[packed.length - 6] ?? 0) ^ 0xff; // inside the CRC

  it.each<[string, Uint8Array<ArrayBuffer>, RegExp]>([
    ["an empty file", new Uint8Array(0), /ends after 0 bytes, inside the header/],
    ["half a header", images.slice(0, 9), /ends after 9 bytes/],
    [
      "labels for images",
      idxBytes([12], [...images.slice(16)]),
      /magic number is 0x00000801, that of images is 0x00000803/,
    ],
    ["another element type", patched(2, 0x0d), /magic number is 0x00000d03/],
    ["text", new TextEncoder().encode("<html>404 not found</html>"), /magic number/],
    ["data cut short", images.slice(0, -1), /cut short: 11 of 12/],
    ["bytes left over", new Uint8Array([...images, 0]), /1 bytes more/],
    ["no samples", idxBytes([0, 2, 3], []), /announces the shape \[0,2,3\]/],
    ["a shape beyond any memory", patched(4, 0xff, 0xff, 0xff, 0xff), /announces the shape/],
    ["gzip cut short", packed.slice(0, -5), /gzip cannot unpack/],
    ["gzip with a wrong checksum", damaged, /gzip cannot unpack/],
  ])("refuses %s in one line that names the file", (_, file, message) => {
    const error = failureOf(() => parseIdx(file, "train-images", 3));
    expect(error.kind).toBe("bad-input");
    expect(error.message).toMatch(message);
    expect(error.message).toMatch(/^train-images is not a usable IDX file/);
    expect(error.message).not.toContain("\n");
  });

  it("either parses or fails as bad input, whatever the bytes", () => {
    fc.assert(
      fc.property(fc.nat({ max: images.length - 1 }), fc.nat({ max: 255 }), fc.nat({ max: 30 }), (at, byte, length) => {
        const file = patched(at, byte).slice(0, length);
        try {
          const { shape, data } = parseIdx(file, "fuzz", 3);
          expect(shape.reduce((product, dimension) => product * dimension, 1)).toBe(data.length);
        } catch (error) {
          expect(error).toBeInstanceOf(Failure);
        }
      }),
    );
  });
});

function failureOf(run: () => unknown): Failure {
  try {
    run();
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}
