import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { Shard } from "../../../shared/evaluation/shard.ts";
import { drawGlyph, generateGlyphs, GLYPH_SIZE } from "../../../trainer/data/glyphs.ts";

const pixels = GLYPH_SIZE * GLYPH_SIZE;
const sha256 = (values: NodeJS.ArrayBufferView) => createHash("sha256").update(values).digest("hex");
const image = (split: Shard, index: number) => split.x.subarray(index * pixels, (index + 1) * pixels);

describe("glyphs", () => {
  const dataset = generateGlyphs();

  it("is the same for ever: a change of these digests is a new dataset and needs a new name", () => {
    expect(sha256(dataset.train.x.subarray(0, 100 * pixels))).toBe(
      "86d8e8793bcc3a654f29ef1c67e7b06d942a9cba387c64628bd65eaef9aa8080",
    );
    expect(sha256(dataset.validation.x.subarray(0, 100 * pixels))).toBe(
      "7bf635fd16c9798ff0594d786e99cc0fcbff7188f8fd90be8132e2df424ca652",
    );
    expect(sha256(dataset.train.y)).toBe("51306f558e14095cd4ad8890f4393e87ae88a0c262ffac7a8dc077b228a55918");
  });

  it("has 8 000 and 2 000 samples, as many of each class as of any other", () => {
    expect([dataset.train.count, dataset.validation.count]).toEqual([8_000, 2_000]);
    for (const { count, x, y } of [dataset.train, dataset.validation]) {
      expect(x.length).toBe(count * pixels);
      const perClass = Array.from({ length: 10 }, (_, label) => y.filter((each) => each === label).length);
      expect(perClass).toEqual(Array.from({ length: 10 }, () => count / 10));
    }
  });

  it("keeps validation apart from training", () => {
    const { train, validation } = dataset;
    const seen = new Set(Array.from({ length: train.count }, (_, index) => sha256(image(train, index))));
    expect(seen.size).toBe(train.count);
    for (let index = 0; index < validation.count; index++) {
      expect(seen.has(sha256(image(validation, index)))).toBe(false);
    }
  });

  it("draws any sample alone", () => {
    const alone = new Uint8Array(pixels);
    drawGlyph("train", 4_321, dataset.train.y[4_321] ?? 0, alone);
    expect(alone).toEqual(image(dataset.train, 4_321));
  });

  it("has ink in every image and uses the range of bytes", () => {
    let most = 0;
    for (let index = 0; index < dataset.train.count; index++) {
      const brightest = Math.max(...image(dataset.train, index));
      expect(brightest).toBeGreaterThan(120);
      most = Math.max(most, brightest);
    }
    expect(most).toBe(255);
  });
});
