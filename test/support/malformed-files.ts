import type { ProblemCode } from "../../shared/problem.ts";
import { fileFromHeader } from "./safetensors-files.ts";

/** A file that breaks one rule of its format, and the code of the problem that has to say so. */
export interface MalformedFile {
  readonly name: string;
  readonly format: "safetensors" | "index" | "tfjs";
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly code: ProblemCode;
}

const text = (json: unknown) => new TextEncoder().encode(typeof json === "string" ? json : JSON.stringify(json));

const one = (entry: unknown, dataLength = 4) => fileFromHeader(JSON.stringify({ w: entry }), dataLength);
const good = { dtype: "F32", shape: [1], data_offsets: [0, 4] };

const SAFETENSORS: [what: string, file: Uint8Array<ArrayBuffer>, code: ProblemCode][] = [
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

const place = (file: unknown) => ({ weight_map: { w: file } });

const INDEXES: [what: string, index: unknown][] = [
  ["an empty index", ""],
  ["an index that is not JSON", "{weight_map}"],
  ["an index that is an array", []],
  ["an index that is null", "null"],
  ["an index cut off", '{"weight_map":{"w":"a.safetens'],
  ["an index without weight_map", { metadata: { total_size: 0 } }],
  ["a weight_map that is an array", { weight_map: ["a.safetensors"] }],
  ["a weight_map of nothing", { weight_map: {} }],
  ["a tensor placed twice", '{"weight_map":{"w":"a.safetensors","w":"b.safetensors"}}'],
  ["a shard that is a number", place(1)],
  ["a shard that is null", place(null)],
  ["a shard of no name", place("")],
  ["a shard in the folder above", place("../a.safetensors")],
  ["a shard in a folder", place("sub/a.safetensors")],
  ["a shard in a Windows folder", place("sub\\a.safetensors")],
  ["a shard at the root", place("/etc/a.safetensors")],
  ["a shard at an URL", place("https://example.org/a.safetensors")],
  ["a hidden shard", place(".a.safetensors")],
  ["a shard named like an option", place("-a.safetensors")],
  ["a shard with a NUL in its name", place("a\u0000.safetensors")],
  ["a shard with a query", place("a.safetensors?b=.safetensors")],
  ["a shard with two dots", place("a..safetensors")],
  ["a shard of another format", place("a.bin")],
  ["a shard with a name of 300 characters", place(`${"a".repeat(300)}.safetensors`)],
  ["metadata of an index that is a list", { ...place("a.safetensors"), metadata: [] }],
  ["a negative total_size", { ...place("a.safetensors"), metadata: { total_size: -4 } }],
  ["a total_size that is a string", { ...place("a.safetensors"), metadata: { total_size: "4" } }],
  ["a fractional total_size", { ...place("a.safetensors"), metadata: { total_size: 0.5 } }],
  [
    "10 001 shards",
    { weight_map: Object.fromEntries(Array.from({ length: 10_001 }, (_, i) => [i, `${i}.safetensors`])) },
  ],
  ["an index nested deeply", `{"weight_map":${"[".repeat(10_000)}`],
];

const weight = { name: "w", shape: [2], dtype: "float32" };
const model = (entry: unknown, paths: unknown = ["weights.bin"]) => ({
  modelTopology: {},
  weightsManifest: [{ paths, weights: [entry] }],
});

const TFJS: [what: string, model: unknown, code?: ProblemCode][] = [
  ["an empty model.json", ""],
  ["a model.json that is not JSON", "{weightsManifest}"],
  ["a model.json that is a list", []],
  ["a model.json without a manifest", { modelTopology: {} }],
  ["a manifest that is an object", { weightsManifest: {} }],
  ["a group without paths", { weightsManifest: [{ weights: [] }] }],
  ["a group without weights", { weightsManifest: [{ paths: [] }] }],
  ["a path that is a number", model(weight, [1])],
  ["a path in the folder above", model(weight, ["../weights.bin"])],
  ["a path at the root", model(weight, ["/weights.bin"])],
  ["a path at an URL", model(weight, ["https://example.org/weights.bin"])],
  ["a path with a query", model(weight, ["weights.bin?token=1"])],
  ["a hidden path", model(weight, [".weights"])],
  ["a path named twice", model(weight, ["a.bin", "./a.bin"])],
  ["a weight without a name", model({ shape: [2], dtype: "float32" })],
  ["a weight without a shape", model({ name: "w", dtype: "float32" })],
  ["a weight of a negative dimension", model({ ...weight, shape: [-2] })],
  ["a weight of a fractional dimension", model({ ...weight, shape: [0.5] })],
  ["a weight of an unknown dimension", model({ ...weight, shape: [null] })],
  ["a weight of rank 33", model({ ...weight, shape: Array.from({ length: 33 }, () => 1) })],
  ["a weight too large to count", model({ ...weight, shape: [2 ** 31, 2 ** 31] })],
  ["a weight of an unknown dtype", model({ ...weight, dtype: "float65" })],
  ["a weight of strings", model({ ...weight, dtype: "string" }), "unsupported-dtype"],
  ["a weight of complex numbers", model({ ...weight, dtype: "complex64" }), "unsupported-dtype"],
  ["a quantisation without scale", model({ ...weight, quantization: { dtype: "uint8", min: 0 } })],
  ["a quantisation without min", model({ ...weight, quantization: { dtype: "uint16", scale: 1 } })],
  ["a quantisation to int4", model({ ...weight, quantization: { dtype: "int4", scale: 1, min: 0 } })],
  ["booleans quantised", model({ ...weight, dtype: "bool", quantization: { dtype: "uint8", scale: 1, min: 0 } })],
  ["whole numbers quantised to float16", model({ ...weight, dtype: "int32", quantization: { dtype: "float16" } })],
  ["two weights of one name", { weightsManifest: [{ paths: ["a.bin"], weights: [weight, weight] }] }],
  ["a weight called __metadata__", model({ ...weight, name: "__metadata__" })],
];

export const MALFORMED_FILES: readonly MalformedFile[] = [
  ...SAFETENSORS.map(([name, bytes, code]): MalformedFile => ({ name, format: "safetensors", bytes, code })),
  ...INDEXES.map(([name, json]): MalformedFile => ({
    name,
    format: "index",
    bytes: text(json),
    code: "malformed-index",
  })),
  {
    name: "an index that is not UTF-8",
    format: "index",
    bytes: new Uint8Array([0x7b, 0xff, 0x7d]),
    code: "malformed-index",
  },
  ...TFJS.map(([name, json, code = "malformed-tfjs-model"]): MalformedFile => ({
    name,
    format: "tfjs",
    bytes: text(json),
    code,
  })),
];
