import * as tf from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { expectSameAsCpu, randomTensor, startTrainingKernels } from "./beside-cpu.ts";

beforeAll(async () => {
  await startTrainingKernels();
});

type Pad = "same" | "valid" | [[number, number], [number, number], [number, number], [number, number]];

interface Convolution {
  readonly input: [number, number, number, number];
  readonly filter: [number, number, number, number];
  readonly strides: [number, number];
  readonly pad: Pad;
}

const size = (max: number) => fc.integer({ min: 1, max });
const padding = fc.oneof(
  fc.constantFrom<Pad>("same", "valid"),
  fc.tuple(fc.nat(2), fc.nat(2), fc.nat(2), fc.nat(2)).map(([top, bottom, left, right]): Pad => [
    [0, 0],
    [top, bottom],
    [left, right],
    [0, 0],
  ]),
);

/** Odd sizes, filters larger than the image, strides beyond the filter, channels that fill no vector. */
const convolutions: fc.Arbitrary<Convolution> = fc
  .record({
    images: size(3),
    height: size(11),
    width: size(11),
    channels: fc.oneof(size(9), fc.constantFrom(16, 24)),
    filterHeight: size(5),
    filterWidth: size(5),
    outChannels: fc.oneof(size(9), fc.constantFrom(16, 17)),
    strides: fc.tuple(size(3), size(3)),
    pad: padding,
  })
  .map((of): Convolution => ({
    input: [of.images, of.height, of.width, of.channels],
    filter: [of.filterHeight, of.filterWidth, of.channels, of.outChannels],
    strides: of.strides,
    pad: of.pad,
  }))
  .filter(({ input, filter, strides, pad }) => {
    const { outHeight, outWidth } = tf.backend_util.computeConv2DInfo(input, filter, strides, 1, pad);
    return outHeight > 0 && outWidth > 0;
  });

/** The convolution and both its gradients. */
function withGradients({ input, filter, strides, pad }: Convolution): tf.Tensor[] {
  const x = randomTensor(input, "x") as tf.Tensor4D;
  const taps = randomTensor(filter, "filter") as tf.Tensor4D;
  const convolve = (image: tf.Tensor4D, kernel: tf.Tensor4D) => tf.conv2d(image, kernel, strides, pad);
  const y = convolve(x, taps);
  const dy = randomTensor(y.shape, "dy") as tf.Tensor4D;
  const [dx, dFilter] = tf.grads((image, kernel) => convolve(image as tf.Tensor4D, kernel as tf.Tensor4D))(
    [x, taps],
    dy,
  );
  return [y, dx as tf.Tensor, dFilter as tf.Tensor];
}

describe("a convolution and its gradients", () => {
  it("are the CPU backend's for any sizes, strides and padding", async () => {
    await fc.assert(
      fc.asyncProperty(convolutions, (convolution) => expectSameAsCpu(() => withGradients(convolution))),
      { numRuns: 300 },
    );
  });

  // More than one block of rows, of depth, and of columns.
  it.each([
    { input: [2, 20, 19, 3], filter: [3, 3, 3, 32], strides: [1, 1], pad: "same" },
    { input: [2, 20, 19, 90], filter: [3, 3, 90, 10], strides: [1, 1], pad: "valid" },
    { input: [1, 9, 9, 66], filter: [3, 3, 66, 70], strides: [2, 2], pad: "same" },
    { input: [1, 3, 3, 4], filter: [2, 2, 4, 1040], strides: [1, 1], pad: "same" },
    { input: [1, 8, 8, 5], filter: [4, 4, 5, 64], strides: [4, 4], pad: "valid" },
    { input: [3, 7, 5, 33], filter: [1, 1, 33, 20], strides: [1, 1], pad: "same" },
    { input: [3, 7, 5, 33], filter: [1, 1, 33, 20], strides: [2, 2], pad: "same" },
  ] as Convolution[])("are the CPU backend's across blocks: $input by $filter", (convolution) =>
    expectSameAsCpu(() => withGradients(convolution)),
  );

  it("take a bias and ReLU in the same pass", () =>
    expectSameAsCpu(() =>
      (["linear", "relu"] as const).flatMap((activation) =>
        [1, 3].map((window) =>
          tf.fused.conv2d({
            x: randomTensor([2, 6, 7, 5], "x") as tf.Tensor4D,
            filter: randomTensor([window, window, 5, 11], "filter") as tf.Tensor4D,
            strides: 1,
            pad: "same",
            bias: randomTensor([11], "bias"),
            activation,
          }),
        ),
      ),
    ));

  it("leave dilation and other activations to tfjs", () =>
    expectSameAsCpu(() => {
      const x = randomTensor([1, 9, 9, 4], "x") as tf.Tensor4D;
      const filter = randomTensor([3, 3, 4, 4], "filter") as tf.Tensor4D;
      const relu6 = { x, filter, strides: 1, pad: "same", activation: "relu6" } as const;
      return [tf.conv2d(x, filter, 1, "same", "NHWC", 2), tf.fused.conv2d(relu6)];
    }));

  it("pass NaN on to the pixels whose patches hold it, and to no other", () => {
    const rows = tf.tidy(() => {
      const x = tf.tensor4d([1, 2, Number.NaN, 4, 5, 6], [1, 1, 6, 1]);
      return tf.conv2d(x, tf.ones<tf.Rank.R4>([1, 2, 1, 1]), 1, "valid").dataSync();
    });
    expect([...rows]).toEqual([3, Number.NaN, Number.NaN, 9, 11]);
  });
});
