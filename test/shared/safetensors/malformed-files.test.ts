import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  decodeSafetensors,
  parseHeader,
  parseShardIndex,
  readHeaderLength,
  type SafetensorsHeader,
} from "../../../shared/safetensors/index.ts";
import { parseModelJson } from "../../../shared/tfjs-form/index.ts";
import { MALFORMED_FILES, type MalformedFile } from "../../support/malformed-files.ts";

function parse({ format, bytes }: Pick<MalformedFile, "format" | "bytes">): unknown {
  switch (format) {
    case "safetensors":
      return decodeSafetensors(bytes);
    case "index":
      return parseShardIndex(bytes);
    case "tfjs":
      return parseModelJson(bytes);
  }
}

describe("a malformed file is refused", () => {
  it.each(MALFORMED_FILES.map((file) => [file.format, file.name, file] as const))("%s: %s", (_, __, file) => {
    expect(() => parse(file)).toThrow(expect.objectContaining({ name: "Problem", code: file.code }));
  });

  it("and there are many, each under a name of its own", () => {
    expect(MALFORMED_FILES.length).toBeGreaterThanOrEqual(60);
    expect(new Set(MALFORMED_FILES.map(({ format, name }) => `${format} ${name}`)).size).toBe(MALFORMED_FILES.length);
  });
});

/** Headers to start from: small ones that use every feature. */
const HEADERS = [
  "{}",
  '{"w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}',
  '{"__metadata__":{"format":"pt","a\\"b":"\\u00e9"},"a":{"dtype":"BF16","shape":[4],"data_offsets":[4,12]},"b":{"dtype":"F8_E4M3","shape":[2,2],"data_offsets":[0,4]}}   ',
  '{"s":{"dtype":"I64","shape":[],"data_offsets":[0,8]},"e":{"dtype":"F64","shape":[0,7],"data_offsets":[8,8]},"f":{"dtype":"F4","shape":[4],"data_offsets":[8,10]}}',
].map((json) => new TextEncoder().encode(json));

/** One step of damage to a header. */
type Mutation = (bytes: readonly number[]) => number[];

const place = fc.nat(400);
const byte = fc.oneof(
  fc.nat(255),
  fc.constantFrom(...Array.from('{}[]",:0123456789-+.eE\\ tfn', (c) => c.charCodeAt(0))),
);
const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.tuple(place, fc.nat(7)).map(
    ([at, bit]): Mutation =>
      (bytes) =>
        bytes.map((value, index) => (index === at % bytes.length ? value ^ (1 << bit) : value)),
  ),
  fc.tuple(place, fc.array(byte, { minLength: 1, maxLength: 4 })).map(
    ([at, inserted]): Mutation =>
      (bytes) =>
        bytes.toSpliced(at % (bytes.length + 1), 0, ...inserted),
  ),
  fc.tuple(place, byte).map(
    ([at, value]): Mutation =>
      (bytes) =>
        bytes.with(at % bytes.length, value),
  ),
  fc.tuple(place, fc.integer({ min: 1, max: 20 })).map(
    ([at, count]): Mutation =>
      (bytes) =>
        bytes.toSpliced(at % bytes.length, count),
  ),
  place.map(
    (at): Mutation =>
      (bytes) =>
        bytes.slice(0, at % bytes.length),
  ),
  // Part of the header once more, which makes keys twice and nesting deep.
  fc.tuple(place, place, fc.integer({ min: 1, max: 40 })).map(
    ([from, at, count]): Mutation =>
      (bytes) =>
        bytes.toSpliced(at % bytes.length, 0, ...bytes.slice(from % bytes.length).slice(0, count)),
  ),
  // Another number in place of one of the header's.
  fc
    .tuple(place, fc.constantFrom("-1", "0", "1", "9007199254740993", "1e999", "4294967297", "0.5", "1e2", "-0"))
    .map(([which, number]): Mutation => (bytes) => {
      const text = String.fromCharCode(...bytes);
      const numbers = Array.from(text.matchAll(/\d+/g));
      const chosen = numbers[which % Math.max(1, numbers.length)];
      if (chosen === undefined) return [...bytes];
      const changed = text.slice(0, chosen.index) + number + text.slice(chosen.index + chosen[0].length);
      return Array.from(changed, (character) => character.charCodeAt(0));
    }),
);

/** What must hold of any header that is accepted: tensors tile the data section, in order. */
function expectSound(header: SafetensorsHeader): void {
  let at = 0;
  for (const { begin, end } of header.tensors) {
    if (begin !== at || end < begin) throw new Error(`a header was accepted in which ${begin} follows ${at}`);
    at = end;
  }
  if (header.dataOffset + at !== header.fileLength) throw new Error("a header was accepted with a wrong length");
}

/** Returns whether the parser took it; throws what is no Problem. */
function survives(run: () => void): boolean {
  try {
    run();
    return true;
  } catch (error) {
    if (error instanceof Error && error.name === "Problem") return false;
    throw error;
  }
}

describe("the parser of headers", () => {
  it("survives 100 000 damaged headers: takes a sound one or states a problem", () => {
    let taken = 0;
    let refused = 0;
    fc.assert(
      fc.property(
        fc.nat(HEADERS.length - 1),
        fc.array(mutation, { minLength: 1, maxLength: 3 }),
        fc.oneof({ weight: 9, arbitrary: fc.constant(undefined) }, fc.nat(300)),
        (which, mutations, fileLength) => {
          let damaged = Array.from(HEADERS[which] ?? []);
          for (const mutate of mutations) if (damaged.length > 0) damaged = mutate(damaged);
          const json = Uint8Array.from(damaged);
          const took = survives(() => expectSound(parseHeader(json, fileLength)));
          if (took) taken++;
          else refused++;
          const prefix = json.subarray(0, 8);
          survives(() => readHeaderLength(prefix, fileLength));
        },
      ),
      { numRuns: 100_000, endOnFailure: true },
    );
    // Damage that is never noticed, or always fatal, would say little.
    expect(taken).toBeGreaterThan(1000);
    expect(refused).toBeGreaterThan(50_000);
  });

  it.each(["index", "tfjs"] as const)("survives damaged files of another kind: %s", (format) => {
    const sound =
      format === "index"
        ? '{"metadata":{"total_size":24},"weight_map":{"a":"model-00001-of-00002.safetensors","b":"b.safetensors"}}'
        : '{"modelTopology":null,"weightsManifest":[{"paths":["w.bin"],"weights":[{"name":"a","shape":[2],"dtype":"int32","quantization":{"dtype":"uint8","scale":0.5,"min":-1}}]}]}';
    const bytes = Array.from(new TextEncoder().encode(sound));
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 3 }), (mutations) => {
        let damaged = bytes;
        for (const mutate of mutations) if (damaged.length > 0) damaged = mutate(damaged);
        survives(() => parse({ format, bytes: Uint8Array.from(damaged) }));
      }),
      { numRuns: 10_000, endOnFailure: true },
    );
  });
});
