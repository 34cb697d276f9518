import { sha256 } from "@noble/hashes/sha2.js";
import type { Shard } from "../../shared/evaluation/shard.ts";
import { philox4x32 } from "../../shared/random/philox.ts";
import { Failure } from "../failure.ts";

/** Random changes of a training image, drawn anew in every epoch. */
export interface Augmentation {
  /** Pixels of padding on every side, of which an image of the old size is cut at a random place; 0 cuts nothing. */
  readonly crop: number;
  /** Mirrors left and right for every second image, at random. */
  readonly flip: boolean;
}

/** Every sample as it is. */
export const NO_AUGMENTATION: Augmentation = { crop: 0, flip: false };

/** The common recipe for CIFAR: a crop out of 4 pixels of padding, and a flip. */
export const CIFAR_AUGMENTATION: Augmentation = { crop: 4, flip: true };

export const isAugmented = ({ crop, flip }: Augmentation): boolean => crop > 0 || flip;

/** How one sample is changed. */
export interface AugmentationDraw {
  /** Where the crop begins in the padded image, each 0 to 2 * crop; `crop` is the middle. */
  readonly top: number;
  readonly left: number;
  readonly flip: boolean;
}

/**
 * The random numbers of one member's epoch: Philox4x32-10 with the seed as key, the sample's number in the lower half of
 * the counter and the purpose in the upper; that is, block `sample` of the RandomStream `augmentation/MEMBER/EPOCH`. One
 * block a sample, so a sample is changed in the same way whatever the batch it is in, and after a resume.
 */
export class AugmentationStream {
  readonly #key: readonly [number, number];
  readonly #label: readonly [number, number];
  readonly #lanes = new Uint32Array(4);

  /**
   * @param seed 64 bits; the seed of the order
   * @param member from 1
   * @param epoch from 0
   */
  constructor(seed: bigint, member: number, epoch: number) {
    const label = new TextEncoder().encode(`stream/augmentation/${member}/${epoch}`);
    const words = new DataView(sha256(label).buffer);
    this.#key = [Number(seed & 0xffffffffn), Number((seed >> 32n) & 0xffffffffn)];
    this.#label = [words.getUint32(0, true), words.getUint32(4, true)];
  }

  /** @param sample its number in the split */
  draw(sample: number, { crop, flip }: Augmentation): AugmentationDraw {
    const lanes = this.#lanes;
    philox4x32([sample >>> 0, 0, ...this.#label], this.#key, lanes);
    const places = 2 * crop + 1;
    return {
      top: scaleWord(lanes[0] ?? 0, places),
      left: scaleWord(lanes[1] ?? 0, places),
      flip: flip && (lanes[2] ?? 0) >= 2 ** 31,
    };
  }
}

/** 32 random bits to a whole number in [0, bound); the bias is below bound / 2^32, so one block is always enough. */
const scaleWord = (word: number, bound: number): number => Math.floor((word * bound) / 2 ** 32);

/**
 * Checks that samples can be augmented so.
 * @throws Failure `usage` for samples that are no images [height, width, channels], or a crop not below their sides
 */
export function checkAugmentation(augmentation: Augmentation, inputShape: readonly number[]): void {
  if (!isAugmented(augmentation)) return;
  const { crop } = augmentation;
  const [height = 0, width = 0] = inputShape;
  if (inputShape.length !== 3) {
    throw new Failure(
      "usage",
      `Crops and flips are for images [height, width, channels], and a sample of this dataset is [${inputShape}]; train without them.`,
    );
  }
  if (!Number.isInteger(crop) || crop < 0 || crop >= Math.min(height, width)) {
    throw new Failure(
      "usage",
      `A crop out of ${crop} pixels of padding does not fit images of ${height}x${width}; it takes a whole number from 0 to ${Math.min(height, width) - 1}.`,
    );
  }
}

/**
 * Writes one sample as real values, changed by its draw.
 *
 * Padding is a raw zero, as in torchvision's RandomCrop, which comes before the normalisation: in real values that is
 * the split's `offset` (for CIFAR -1, black), and 0 for samples held as float32.
 * @param split images [count, height, width, channels], checked by {@link checkAugmentation}
 * @param random the stream of the member's epoch
 * @param target receives height * width * channels values from `offset`
 */
export function augmentInto(
  split: Shard,
  sample: number,
  random: AugmentationStream,
  augmentation: Augmentation,
  target: Float32Array,
  offset: number,
): void {
  if (!isAugmented(augmentation)) {
    copyInto(split, sample, target, offset);
    return;
  }
  const { x, inputShape, scale } = split;
  const black = split.offset;
  const [height = 1, width = 1, channels = 1] = inputShape;
  const { top, left, flip } = random.draw(sample, augmentation);
  const [down, right] = [top - augmentation.crop, left - augmentation.crop];
  const rowLength = width * channels;
  const from = sample * height * rowLength;
  // Columns of the result that lie on the image; the others are padding.
  const begin = Math.max(0, -right);
  const end = Math.min(width, width - right);
  for (let row = 0; row < height; row++) {
    const to = offset + row * rowLength;
    const source = row + down;
    if (source < 0 || source >= height) {
      target.fill(black, to, to + rowLength);
      continue;
    }
    if (end - begin < width) target.fill(black, to, to + rowLength);
    const sourceRow = from + source * rowLength + right * channels;
    if (!flip) {
      for (let i = begin * channels; i < end * channels; i++) target[to + i] = (x[sourceRow + i] ?? 0) * scale + black;
      continue;
    }
    // A channel at a time: an inner loop over two or three channels costs more than it copies.
    for (let channel = 0; channel < channels; channel++) {
      let mirrored = to + (width - 1 - begin) * channels + channel;
      const last = sourceRow + end * channels;
      for (let pixel = sourceRow + begin * channels + channel; pixel < last; pixel += channels) {
        target[mirrored] = (x[pixel] ?? 0) * scale + black;
        mirrored -= channels;
      }
    }
  }
}

/** Writes one sample as real values, as it is. */
export function copyInto(
  { x, count, scale, offset: shift }: Shard,
  sample: number,
  target: Float32Array,
  offset: number,
): void {
  const size = x.length / count;
  const from = sample * size;
  for (let i = 0; i < size; i++) target[offset + i] = (x[from + i] ?? 0) * scale + shift;
}
