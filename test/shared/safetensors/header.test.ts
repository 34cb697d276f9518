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
