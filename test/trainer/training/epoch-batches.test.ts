import { describe, expect, it } from "vitest";
import { epochOrder, fillBatch, makeBatch } from "../../../trainer/training/epoch-batches.ts";
import { tinyDataset } from "./tiny-dataset.ts";

describe("epochOrder", () => {
  it("is a permutation, the same for the same run, another for every member and epoch", () => {
    const order = epochOrder(1n, 1, 0, 1000);
    expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: 1000 }, (_, index) => index));
    expect(epochOrder(1n, 1, 0, 1000)).toEqual(order);
    for (const other of [epochOrder(2n, 1, 0, 1000), epochOrder(1n, 2, 0, 1000), epochOrder(1n, 1, 1, 1000)]) {
      expect(other).not.toEqual(order);
    }
  });
});

describe("fillBatch", () => {
  it("gathers the samples of the order as real values", () => {
    const { train } = tinyDataset();
    const batch = makeBatch(train, 2);
    fillBatch(train, Uint32Array.from([9, 5, 6, 3]), 1, batch);
    expect([...batch.labels]).toEqual([train.y[5], train.y[6]]);
    const pixels = [...train.x.subarray(5 * 16, 7 * 16)];
    expect([...batch.inputs]).toEqual(pixels.map((pixel) => Math.fround(pixel / 64 - 1.5)));
  });
});
