import { describe, expect, it } from "vitest";
import { decodeShard, type Shard } from "../../../shared/evaluation/shard.ts";
import { shardFiles } from "../../../trainer/data/slice-shards.ts";

const split: Shard = {
  count: 5,
  inputShape: [1, 2],
  x: Uint8Array.from({ length: 10 }, (_, index) => index),
  y: Int32Array.from([0, 1, 2, 3, 4]),
  scale: 0.1,
  offset: -0.5,
};

describe("shardFiles", () => {
  it("cuts a split into shards that together are the split", () => {
    const shards = [...shardFiles(split, 2)].map(({ file }) => decodeShard(file));
    expect(shards.map((shard) => shard.count)).toEqual([2, 2, 1]);
    expect(shards.flatMap((shard) => [...shard.x])).toEqual([...split.x]);
    expect(shards.flatMap((shard) => [...shard.y])).toEqual([...split.y]);
    for (const { scale, offset, inputShape } of shards) {
      expect({ scale, offset, inputShape }).toEqual({ scale: 0.1, offset: -0.5, inputShape: [1, 2] });
    }
  });

  it("gives equal bytes for equal samples, and stops at the limit", () => {
    const [first, second] = [[...shardFiles(split, 3, 4)], [...shardFiles({ ...split }, 3, 4)]];
    expect(first).toEqual(second);
    expect(first.map(({ count }) => count)).toEqual([3, 1]);
  });
});
