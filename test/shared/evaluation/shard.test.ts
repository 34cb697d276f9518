import { describe, expect, it } from "vitest";
import { decodeShard, decodeValidationShard, encodeShard } from "../../../shared/evaluation/shard.ts";
import { type Dtype, encodeSafetensors } from "../../../shared/safetensors/index.ts";

const bytesOf = (array: Float32Array | Int32Array) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
const shard = {
  count: 2,
  inputShape: [2, 1],
  x: Uint8Array.from([0, 51, 102, 255]),
  scale: 1 / 255,
  offset: -0.5,
  y: Int32Array.from([0, 9]),
};

describe("a shard", () => {
  it("reads back as written, as bytes and as floats", () => {
    expect(decodeShard(encodeShard(shard))).toEqual(shard);
    const floats = { ...shard, x: Float32Array.from([0, 0.5, -1, 3]), scale: 1, offset: 0 };
    expect(decodeShard(encodeShard(floats))).toEqual(floats);
  });

  const tensor = (dtype: Dtype, shape: number[], data: Uint8Array) => ({ dtype, shape, data });
  const x = tensor("F32", [2, 1], bytesOf(Float32Array.from([1, 2])));
  const y = tensor("I32", [2], bytesOf(Int32Array.from([0, 1])));
  const u8 = tensor("U8", [2, 1], Uint8Array.from([1, 2]));
  it.each([
    ["no labels", { x }, {}],
    ["no samples", { y }, {}],
    ["labels as floats", { x, y: tensor("F32", [2], bytesOf(Float32Array.from([0, 1]))) }, {}],
    ["labels in two dimensions", { x, y: tensor("I32", [2, 1], y.data) }, {}],
    ["a negative label", { x, y: tensor("I32", [2], bytesOf(Int32Array.from([0, -1]))) }, {}],
    ["one label too many", { x, y: tensor("I32", [3], bytesOf(Int32Array.from([0, 1, 2]))) }, {}],
    ["nothing at all", { x: tensor("F32", [0, 1], new Uint8Array(0)), y: tensor("I32", [0], new Uint8Array(0)) }, {}],
    ["samples without a shape", { x: tensor("F32", [2], x.data), y }, {}],
    ["doubles", { x: tensor("F64", [2, 1], new Uint8Array(16)), y }, {}],
    ["a sample that is NaN", { x: tensor("F32", [2, 1], bytesOf(Float32Array.from([1, Number.NaN]))), y }, {}],
    ["bytes without scale", { x: u8, y }, { offset: "0" }],
    ["bytes without offset", { x: u8, y }, { scale: "1" }],
    ["a scale that is no number", { x: u8, y }, { scale: "wide", offset: "0" }],
    ["an infinite scale", { x: u8, y }, { scale: "Infinity", offset: "0" }],
    ["an empty scale", { x: u8, y }, { scale: " ", offset: "0" }],
  ] as const)("is refused with %s", (_, tensors, metadata) => {
    const file = encodeSafetensors(new Map(Object.entries(tensors)), metadata);
    expect(() => decodeShard(file)).toThrow(expect.objectContaining({ code: "invalid-shard" }));
  });
});

describe("a shard of a regression", () => {
  const { y: _labels, ...inputs } = shard;
  const regression = { ...inputs, targetShape: [3], targets: Float32Array.from([1, 2, 3, 4, 5, -6.5]) };

  it("reads back as written", () => {
    expect(decodeValidationShard(encodeShard(regression))).toEqual(regression);
    expect(decodeValidationShard(encodeShard(shard))).toEqual(shard);
  });

  it("may have one number a sample, with or without an axis for it", () => {
    const x = { dtype: "F32" as const, shape: [2, 1], data: new Uint8Array(8) };
    for (const shape of [[2], [2, 1]]) {
      const y = { dtype: "F32" as const, shape, data: bytesOf(Float32Array.from([0.5, 2])) };
      expect(decodeValidationShard(encodeSafetensors(new Map(Object.entries({ x, y })), {}))).toMatchObject({
        targetShape: [1],
        targets: Float32Array.from([0.5, 2]),
      });
    }
  });

  it("is nothing to train a classifier on", () => {
    expect(() => decodeShard(encodeShard(regression))).toThrow(expect.objectContaining({ code: "invalid-shard" }));
  });

  it.each([
    ["a target that is NaN", [2], Float32Array.from([1, Number.NaN])],
    ["an infinite target", [2], Float32Array.from([1, Infinity])],
    ["no target a sample", [2, 0], new Float32Array(0)],
    ["targets of other samples", [3], Float32Array.from([1, 2, 3])],
    ["a single target for all", [], Float32Array.from([1])],
  ] as const)("is refused with %s", (_, shape, values) => {
    const x = { dtype: "F32" as const, shape: [2, 1], data: new Uint8Array(8) };
    const y = { dtype: "F32" as const, shape: [...shape], data: bytesOf(values) };
    expect(() => decodeValidationShard(encodeSafetensors(new Map(Object.entries({ x, y })), {}))).toThrow(
      expect.objectContaining({ code: "invalid-shard" }),
    );
  });
});
