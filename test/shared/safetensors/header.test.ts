import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  byteLength,
  decodeSafetensors,
  DTYPES,
  type Dtype,
  encodeSafetensors,
  layoutSafetensors,
  parseHeader,
  readHeaderLength,
} from "../../../shared/safetensors/index.ts";
import { fileFromHeader } from "../../support/safetensors-files.ts";

const one = (entry: unknown, dataLength = 4) => fileFromHeader(JSON.stringify({ w: entry }), dataLength);
const good = { dtype: "F32", shape: [1], data_offsets: [0, 4] };

/** Every file here breaks one rule of the format. */
const MALFORMED: [what: string, file: Uint8Array<ArrayBuffer>, code: string][] = [
  ["an empty file", new Uint8Array(0), "truncated-file"],
  ["seven bytes", new Uint8Array(7), "truncated-file"],
  ["a header of no bytes", fileFromHeader("", 0), "malformed-safetensors"],
  ["a header longer than the file", fileFromHeader(JSON.stringify({ w: good }), 4, 10_000), "truncated-file"],
  ["a header over the limit", fileFromHeader("{}", 0, 25_000_001), "malformed-safetensors"],
  ["a header length of 2^63", new Uint8Array([0, 0, 0, 0, 0, 0, 0, 128, 123, 125]), "malformed-safetensors"],
  ["a header that is not JSON", fileFromHeader("{w: 1}", 0), "malformed-safetensors"],
  ["a header that is cut off", fileFromHeader('{"w":{"dtype":"F32"', 0), "malformed-safetensors"],
  ["a header that does not begin with {", fileFromHeader(" {}", 0), "malformed-safetensors"],
  ["a header that is an array", fileFromHeader("[]", 0), "malformed-safetensors"],
  ["a header with trailing characters", fileFromHeader("{} x", 0), "malformed-safetensors"],
  [
    "a header that is not UTF-8",
    fileFromHeader(new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x7d]), 0),
    "malformed-safetensors",
  ],
  [
    "duplicate keys",
    fileFromHeader(`{"w":${JSON.stringify(good)},"w":${JSON.stringify(good)}}`, 4),
    "malformed-safetensors",
  ],
  [
    "duplicate keys, one escaped",
    fileFromHeader(`{"w":${JSON.stringify(good)},"\\u0077":${JSON.stringify(good)}}`, 4),
    "malformed-safetensors",
  ],
  [
    "duplicate members",
    fileFromHeader('{"w":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 4),
    "malformed-safetensors",
  ],
  ["deep nesting", fileFromHeader(`{"w":${"[".repeat(10_000)}`, 0), "malformed-safetensors"],
  ["metadata that is not an object", fileFromHeader('{"__metadata__":[]}', 0), "malformed-safetensors"],
  ["metadata that is not a string", fileFromHeader('{"__metadata__":{"a":1}}', 0), "malformed-safetensors"],
  ["an unknown dtype", one({ ...good, dtype: "F33" }), "malformed-safetensors"],
  ["a dtype of Object's", one({ ...good, dtype: "constructor" }), "malformed-safetensors"],
  ["no dtype", one({ shape: [1], data_offsets: [0, 4] }), "malformed-safetensors"],
  ["an unknown member", one({ ...good, strides: [1] }), "malformed-safetensors"],
  ["a tensor that is a number", one(4), "malformed-safetensors"],
  ["a negative dimension", one({ ...good, shape: [-1] }), "malformed-safetensors"],
  ["a fractional dimension", one({ ...good, shape: [1.5] }), "malformed-safetensors"],
  [
    "a dimension of 1e400",
    fileFromHeader('{"w":{"dtype":"F32","shape":[1e400],"data_offsets":[0,4]}}', 4),
    "malformed-safetensors",
  ],
  ["dimensions whose product overflows", one({ ...good, shape: [2 ** 31, 2 ** 31] }), "malformed-safetensors"],
  ["a rank of 33", one({ ...good, shape: Array.from({ length: 33 }, () => 1) }), "malformed-safetensors"],
  ["a shape that is not an array", one({ ...good, shape: 1 }), "malformed-safetensors"],
  ["offsets that run backwards", one({ ...good, data_offsets: [4, 0] }), "malformed-safetensors"],
  ["one offset", one({ ...good, data_offsets: [4] }), "malformed-safetensors"],
  ["three offsets", one({ ...good, data_offsets: [0, 4, 8] }), "malformed-safetensors"],
  ["a wrong byte count", one({ ...good, shape: [2] }), "malformed-safetensors"],
  ["half a byte", fileFromHeader('{"w":{"dtype":"F4","shape":[1],"data_offsets":[0,1]}}', 1), "malformed-safetensors"],
  ["a gap at the start", one({ ...good, data_offsets: [4, 8] }, 8), "malformed-safetensors"],
  [
    "a gap between tensors",
    fileFromHeader(JSON.stringify({ a: good, b: { ...good, data_offsets: [8, 12] } }), 12),
    "malformed-safetensors",
  ],
  [
    "overlapping tensors",
    fileFromHeader(
      JSON.stringify({ a: { ...good, shape: [2], data_offsets: [0, 8] }, b: { ...good, data_offsets: [4, 8] } }),
      8,
    ),
    "malformed-safetensors",
  ],
  ["two tensors over the same bytes", fileFromHeader(JSON.stringify({ a: good, b: good }), 4), "malformed-safetensors"],
  ["missing data", one(good, 3), "truncated-file"],
  ["bytes that belong to no tensor", one(good, 5), "malformed-safetensors"],
];

describe("a malformed file", () => {
  it.each(MALFORMED)("is refused: %s", (_, file, code) => {
    expect(() => decodeSafetensors(file)).toThrow(expect.objectContaining({ name: "Problem", code }));
  });
});

describe("parseHeader", () => {
  it("takes what other writers make: unsorted names, no padding, no metadata, unaligned data", () => {
    const file = fileFromHeader(
      '{"b":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"a":{"dtype":"F32","shape":[],"data_offsets":[3,7]}}',
      7,
    );
    const { header } = decodeSafetensors(file);
    expect(header.tensors.map(({ name, begin }) => [name, begin])).toEqual([
      ["b", 0],
      ["a", 3],
    ]);
    expect(header.dataOffset % 8).not.toBe(0);
  });

  it("takes empty tensors, rank 0, no tensors at all, and names that objects treat specially", () => {
    expect(decodeSafetensors(fileFromHeader("{}", 0)).header.tensors).toEqual([]);
    const names = ["__proto__", "constructor", "1", "", "\u0000"];
    const file = encodeSafetensors(
      new Map(names.map((name, i) => [name, { dtype: "F32", shape: [i], data: new Uint8Array(4 * i) }])),
    );
    expect(new Set(decodeSafetensors(file).header.tensors.map(({ name }) => name))).toEqual(new Set(names));
  });

  it("never crashes or hangs on noise", () => {
    const isProblem = (error: unknown) => error instanceof Error && error.name === "Problem";
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 60 }),
          fc.string().map((text) => new TextEncoder().encode(`{${text}}`)),
        ),
        (bytes) => {
          for (const attempt of [() => parseHeader(bytes, 100), () => readHeaderLength(bytes, bytes.length)]) {
            try {
              attempt();
            } catch (error) {
              if (!isProblem(error)) throw error;
            }
          }
        },
      ),
      { numRuns: 5_000 },
    );
  });
});

const tensorSpec = fc.record({
  dtype: fc.constantFrom(...(Object.keys(DTYPES) as Dtype[])),
  shape: fc.array(fc.nat(5), { maxLength: 3 }),
});

describe("layoutSafetensors", () => {
  it("writes files that read back the same, aligned, with the header padded to 8", () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), tensorSpec, { maxKeys: 8 }),
        fc.dictionary(fc.string(), fc.string(), { maxKeys: 4 }),
        (specs, metadata) => {
          const tensors = new Map(
            Object.entries(specs).flatMap(([name, { dtype, shape }]) => {
              const bytes = byteLength(dtype, shape);
              if (bytes === undefined || name === "__metadata__") return [];
              return [
                [name, { dtype, shape, data: Uint8Array.from({ length: bytes }, (_, i) => i * 31 + name.length) }],
              ];
            }),
          );
          const { header, bytes } = decodeSafetensors(encodeSafetensors(tensors, metadata));
          expect(header.dataOffset % 8).toBe(0);
          expect({ ...header.metadata }).toEqual({ ...metadata });
          expect(header.tensors).toHaveLength(tensors.size);
          for (const tensor of header.tensors) {
            expect(tensor.begin % Math.ceil(DTYPES[tensor.dtype].bits / 8)).toBe(0);
            expect(bytes(tensor)).toEqual(tensors.get(tensor.name)?.data);
          }
        },
      ),
    );
  });

  it("orders tensors as the reference writer does: wider dtype first, then name", () => {
    const layout = layoutSafetensors([
      { name: "b", dtype: "F16", shape: [1] },
      { name: "z", dtype: "F32", shape: [1] },
      { name: "a", dtype: "F16", shape: [1] },
      { name: "m", dtype: "I64", shape: [1] },
    ]);
    expect(layout.tensors.map(({ name }) => name)).toEqual(["m", "z", "a", "b"]);
  });

  it("refuses two tensors of one name, and data of the wrong length", () => {
    const spec = { name: "a", dtype: "F32", shape: [1] } as const;
    expect(() => layoutSafetensors([spec, spec])).toThrow(expect.objectContaining({ code: "malformed-safetensors" }));
    expect(() => encodeSafetensors(new Map([["a", { ...spec, data: new Uint8Array(3) }]]))).toThrow(
      expect.objectContaining({ code: "malformed-safetensors" }),
    );
  });
});
