import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RandomStream } from "../../../shared/random/stream.ts";
import type { Shard } from "../../../shared/evaluation/shard.ts";
import {
  type Augmentation,
  AugmentationStream,
  augmentInto,
  checkAugmentation,
  copyInto,
  NO_AUGMENTATION,
} from "../../../trainer/data/augmentation.ts";
import { failureOf } from "./failure-of.ts";

/** Images of distinct bytes, none of them 0, so that padding can be told. */
function images(height: number, width: number, channels: number, count = 3): Shard {
  const x = Uint8Array.from({ length: count * height * width * channels }, (_, i) => 1 + (i % 255));
  return { count, inputShape: [height, width, channels], x, y: new Int32Array(count), scale: 0.25, offset: -2 };
}

/** The definition: pad with raw zeros, cut, mirror, then scale. */
function expected(split: Shard, sample: number, crop: number, top: number, left: number, flip: boolean): Float32Array {
  const [height = 0, width = 0, channels = 0] = split.inputShape;
  const result: number[] = [];
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      for (let channel = 0; channel < channels; channel++) {
        const y = row + top - crop;
        const x = (flip ? width - 1 - column : column) + left - crop;
        const inside = y >= 0 && y < height && x >= 0 && x < width;
        const raw = inside ? (split.x[((sample * height + y) * width + x) * channels + channel] ?? 0) : 0;
        result.push(raw * split.scale + split.offset);
      }
    }
  }
  return Float32Array.from(result);
}

function augmented(split: Shard, sample: number, stream: AugmentationStream, augmentation: Augmentation): Float32Array {
  const size = split.x.length / split.count;
  const target = new Float32Array(size + 2).fill(99);
  augmentInto(split, sample, stream, augmentation, target, 1);
  expect([target[0], target[size + 1]]).toEqual([99, 99]);
  return target.slice(1, -1);
}

describe("augmentInto", () => {
  it("pads with raw zeros, crops and mirrors as its draw says", () => {
    fc.assert(
      fc.property(
        fc.record({ height: fc.integer({ min: 1, max: 6 }), width: fc.integer({ min: 1, max: 6 }) }),
        fc.constantFrom(1, 3),
        fc.nat({ max: 5 }),
        fc.boolean(),
        fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        fc.nat({ max: 2 }),
        ({ height, width }, channels, padding, flip, seed, sample) => {
          const split = images(height, width, channels);
          const augmentation = { crop: Math.min(padding, height - 1, width - 1), flip };
          const stream = new AugmentationStream(seed, 1, 0);
          const draw = stream.draw(sample, augmentation);
          expect(augmented(split, sample, stream, augmentation)).toEqual(
            expected(split, sample, augmentation.crop, draw.top, draw.left, draw.flip),
          );
        },
      ),
    );
  });

  it("leaves samples of any shape as they are where nothing is asked for", () => {
    const split: Shard = { ...images(2, 2, 1), inputShape: [4] };
    const stream = new AugmentationStream(1n, 1, 0);
    const target = new Float32Array(4);
    copyInto(split, 2, target, 0);
    expect(augmented(split, 2, stream, NO_AUGMENTATION)).toEqual(target);
    expect([...target]).toEqual([9, 10, 11, 12].map((byte) => byte * 0.25 - 2));
  });

  it("pads float32 samples with 0", () => {
    const split: Shard = { ...images(3, 3, 1, 1), x: new Float32Array(9).fill(7), scale: 1, offset: 0 };
    const seen = new Set<number>();
    const stream = new AugmentationStream(3n, 1, 0);
    for (let sample = 0; sample < 20; sample++) {
      const one = { ...split, count: 1 };
      const shifted = new Float32Array(9);
      augmentInto(one, 0, new AugmentationStream(3n, 1, sample), { crop: 2, flip: false }, shifted, 0);
      for (const value of shifted) seen.add(value);
    }
    expect([...seen].toSorted()).toEqual([0, 7]);
    expect(stream.draw(0, { crop: 0, flip: false })).toEqual({ top: 0, left: 0, flip: false });
  });
});

describe("AugmentationStream", () => {
  const augmentation: Augmentation = { crop: 4, flip: true };
  const draws = (seed: bigint, member: number, epoch: number) => {
    const stream = new AugmentationStream(seed, member, epoch);
    return Array.from({ length: 4_000 }, (_, sample) => stream.draw(sample, augmentation));
  };

  it("draws the same for a sample whatever was drawn before", () => {
    const all = draws(5n, 2, 7);
    const stream = new AugmentationStream(5n, 2, 7);
    for (const sample of [3_999, 0, 17, 17]) expect(stream.draw(sample, augmentation)).toEqual(all[sample]);
  });

  it("is a block of the Philox stream of member and epoch for each sample", () => {
    const words = new RandomStream(5n, "augmentation/2/7");
    for (const { top, left, flip } of draws(5n, 2, 7).slice(0, 50)) {
      expect(top).toBe(Math.floor((words.uint32() * 9) / 2 ** 32));
      expect(left).toBe(Math.floor((words.uint32() * 9) / 2 ** 32));
      expect(flip).toBe(words.uint32() >= 2 ** 31);
      words.uint32();
    }
  });

  it("draws anew for every seed, member and epoch", () => {
    const texts = [draws(5n, 2, 7), draws(6n, 2, 7), draws(5n, 3, 7), draws(5n, 2, 8)].map((all) =>
      JSON.stringify(all),
    );
    expect(new Set(texts).size).toBe(4);
  });

  it("gives every place the same share, and flips half", () => {
    const all = draws(1n, 1, 0);
    for (const pick of [(draw: { top: number }) => draw.top, (draw: { left: number }) => draw.left] as const) {
      const counts = Array.from({ length: 9 }, (_, place) => all.filter((draw) => pick(draw) === place).length);
      // 444 expected; five deviations of the binomial are 100.
      for (const count of counts) expect(Math.abs(count - 4_000 / 9)).toBeLessThan(100);
    }
    expect(Math.abs(all.filter(({ flip }) => flip).length - 2_000)).toBeLessThan(160);
  });
});

describe("checkAugmentation", () => {
  it("refuses what is no image, and crops that do not fit", async () => {
    expect(() => checkAugmentation({ crop: 4, flip: true }, [32, 32, 3])).not.toThrow();
    expect(() => checkAugmentation(NO_AUGMENTATION, [784])).not.toThrow();
    for (const [augmentation, shape, message] of [
      [{ crop: 0, flip: true }, [784], /images \[height, width, channels\]/],
      [{ crop: 8, flip: false }, [8, 9, 1], /0 to 7/],
      [{ crop: 1.5, flip: false }, [8, 8, 1], /whole number/],
    ] as const) {
      const failure = await failureOf(() => checkAugmentation(augmentation, shape));
      expect(failure.kind).toBe("usage");
      expect(failure.message).toMatch(message);
    }
  });
});
