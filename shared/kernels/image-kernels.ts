import type { WasmHeap } from "./wasm-backend.ts";

const WORD = 4;

/** A convolution of images, channels last. Padding below and to the right follows from the sizes. */
export interface ConvolutionShape {
  readonly images: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly outHeight: number;
  readonly outWidth: number;
  readonly outChannels: number;
  readonly filterHeight: number;
  readonly filterWidth: number;
  readonly stepDown: number;
  readonly stepAcross: number;
  readonly padTop: number;
  readonly padLeft: number;
}

/** A pooling of images, channels last; each window takes those of its pixels that lie in the image. */
export interface PoolingShape {
  readonly images: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly outHeight: number;
  readonly outWidth: number;
  readonly windowHeight: number;
  readonly windowWidth: number;
  readonly stepDown: number;
  readonly stepAcross: number;
  readonly padTop: number;
  readonly padLeft: number;
}

/**
 * Convolution and pooling on the heap. Arrays are float32, given by address: images [images, height, width, channels],
 * outputs and upstream gradients [images, outHeight, outWidth, channels], filters [height, width, channels, outChannels].
 * Every function writes its last array wholly.
 */
export interface ImageKernels {
  /** @param bias [outChannels], or 0 for none; then ReLU if asked */
  convolution(
    shape: ConvolutionShape,
    image: number,
    filter: number,
    bias: number,
    relu: boolean,
    output: number,
  ): void;
  convolutionInputGradient(shape: ConvolutionShape, upstream: number, filter: number, imageGradient: number): void;
  convolutionFilterGradient(shape: ConvolutionShape, image: number, upstream: number, filterGradient: number): void;
  maxPool(shape: PoolingShape, image: number, output: number): void;
  averagePool(shape: PoolingShape, image: number, output: number): void;
  /** Of equal values the first one of a window gets the gradient. */
  maxPoolGradient(shape: PoolingShape, image: number, output: number, upstream: number, imageGradient: number): void;
  averagePoolGradient(shape: PoolingShape, upstream: number, imageGradient: number): void;
}

/** What `assembly/training.ts` exports for images; see there. */
export interface ImageExports {
  addressBytes(): number;
  lineBytes(patchWidth: number, channels: number): number;
  convolve(...values: number[]): void;
  convolutionFilterGradient(...values: number[]): void;
  maxPool(...values: number[]): void;
  averagePool(...values: number[]): void;
  maxPoolGradient(...values: number[]): void;
  averagePoolGradient(...values: number[]): void;
}

/** The patches one product takes; `Patches` in `assembly/training/patches.ts`, in its order. */
type PatchFields = readonly [
  image: number,
  height: number,
  width: number,
  channels: number,
  gridHeight: number,
  gridWidth: number,
  stepDown: number,
  stepAcross: number,
  top: number,
  left: number,
  patchHeight: number,
  patchWidth: number,
];

/** `Filter` in `assembly/training/convolution.ts`, in its order. */
type FilterFields = readonly [
  taps: number,
  transposed: number,
  tapDown: number,
  tapAcross: number,
  stride: number,
  columns: number,
  out: number,
  outAcross: number,
  outDown: number,
  outImage: number,
];

/** @param workspace address of `workspaceBytes()` bytes of scratch */
export function imageKernels(heap: WasmHeap, wasm: ImageExports, workspace: number): ImageKernels {
  const fields = heap.allocate(32 * WORD);
  const patchesAt = fields;
  const filterAt = fields + 16 * WORD;
  let lines = 0;
  let linesBytes = 0;

  /** Writes the records that the kernels read. */
  const write = (at: number, values: readonly number[]): void => {
    new Int32Array(heap.memory.buffer, at, values.length).set(values);
  };
  /** Scratch for the lines of patches; it grows to the largest asked for. */
  const linesFor = (patchWidth: number, channels: number): number => {
    const bytes = wasm.addressBytes() + wasm.lineBytes(patchWidth, channels);
    if (bytes > linesBytes) {
      const larger = heap.allocate(bytes);
      if (lines !== 0) heap.free(lines);
      [lines, linesBytes] = [larger, bytes];
    }
    return lines;
  };
  const convolve = (patches: PatchFields, filter: FilterFields, images: number, bias: number, relu: boolean): void => {
    const scratch = linesFor(patches[11], patches[3]);
    write(patchesAt, patches);
    write(filterAt, filter);
    wasm.convolve(patchesAt, filterAt, images, bias, +relu, workspace, scratch);
  };
  const pool = (shape: PoolingShape): number => {
    const { images, height, width, channels, outHeight, outWidth } = shape;
    const { windowHeight, windowWidth, stepDown, stepAcross, padTop, padLeft } = shape;
    const window = [windowHeight, windowWidth, stepDown, stepAcross, padTop, padLeft];
    write(patchesAt, [images, height, width, channels, outHeight, outWidth, ...window]);
    return patchesAt;
  };

  return {
    convolution(shape, image, filter, bias, relu, output) {
      const { channels, outHeight, outWidth, outChannels: columns, filterWidth } = shape;
      const tap = channels * columns;
      const filterFields: FilterFields = [
        ...([filter, 0, filterWidth * tap, tap, columns, columns] as const),
        ...([output, columns, outWidth * columns, outHeight * outWidth * columns] as const),
      ];
      convolve(forwardPatches(shape, image), filterFields, shape.images, bias, relu);
    },
    convolutionInputGradient(shape, upstream, filter, imageGradient) {
      const { images, height, width, channels, filterHeight, filterWidth, stepDown, stepAcross } = shape;
      const down = phases(height, filterHeight, stepDown, shape.padTop);
      const across = phases(width, filterWidth, stepAcross, shape.padLeft);
      // A pixel that no patch takes has no phase and gets no gradient.
      if ([...down, ...across].some(({ taps }) => taps === 0)) {
        new Float32Array(heap.memory.buffer, imageGradient, images * height * width * channels).fill(0);
      }
      const { outHeight, outWidth, outChannels } = shape;
      const tap = channels * outChannels;
      for (const rows of down) {
        for (const columns of across) {
          if (rows.taps === 0 || columns.taps === 0) continue;
          const patches: PatchFields = [
            ...([upstream, outHeight, outWidth, outChannels, rows.count, columns.count] as const),
            ...([1, 1, rows.start, columns.start, rows.taps, columns.taps] as const),
          ];
          const lastTap = (rows.lastTap * filterWidth + columns.lastTap) * tap;
          const taps = filter + WORD * lastTap;
          const out = imageGradient + WORD * channels * (rows.first * width + columns.first);
          const filterFields: FilterFields = [
            ...([taps, 1, -stepDown * filterWidth * tap, -stepAcross * tap, outChannels, channels] as const),
            ...([out, stepAcross * channels, stepDown * width * channels, height * width * channels] as const),
          ];
          convolve(patches, filterFields, images, 0, false);
        }
      }
    },
    convolutionFilterGradient(shape, image, upstream, filterGradient) {
      const scratch = linesFor(shape.filterWidth, shape.channels);
      write(patchesAt, forwardPatches(shape, image));
      const { images, outChannels } = shape;
      wasm.convolutionFilterGradient(patchesAt, upstream, filterGradient, images, outChannels, workspace, scratch);
    },
    maxPool: (shape, image, output) => wasm.maxPool(pool(shape), image, output),
    averagePool: (shape, image, output) => wasm.averagePool(pool(shape), image, output),
    maxPoolGradient(shape, image, output, upstream, imageGradient) {
      wasm.maxPoolGradient(pool(shape), image, output, upstream, imageGradient);
    },
    averagePoolGradient: (shape, upstream, imageGradient) =>
      wasm.averagePoolGradient(pool(shape), upstream, imageGradient),
  };
}

function forwardPatches(shape: ConvolutionShape, image: number): PatchFields {
  const { height, width, channels, outHeight, outWidth, stepDown, stepAcross } = shape;
  return [
    ...([image, height, width, channels, outHeight, outWidth, stepDown, stepAcross] as const),
    ...([-shape.padTop, -shape.padLeft, shape.filterHeight, shape.filterWidth] as const),
  ];
}

/** The pixels along one axis that meet the same taps of the filter. */
interface Phase {
  /** The first of these pixels; the next is one step on. */
  readonly first: number;
  readonly count: number;
  /** Taps they meet: every step-th one, `lastTap` first, because a larger tap lies on an earlier output. */
  readonly taps: number;
  readonly lastTap: number;
  /** The output that the first pixel meets with `lastTap`; may lie before the first output. */
  readonly start: number;
}

/**
 * Pixel i meets tap t of output o where i + pad = o step + t. For pixels of one remainder of i + pad by the step, the taps
 * are the same, and the outputs move on by one from pixel to pixel: the gradient with respect to them is a convolution of
 * step 1, without the zeros that a strided convolution's gradient is usually filled up with.
 */
function phases(size: number, filterSize: number, step: number, pad: number): Phase[] {
  const result: Phase[] = [];
  for (let first = 0; first < Math.min(step, size); first++) {
    const remainder = (first + pad) % step;
    const taps = Math.max(0, Math.ceil((filterSize - remainder) / step));
    result.push({
      first,
      count: Math.ceil((size - first) / step),
      taps,
      lastTap: remainder + (taps - 1) * step,
      start: Math.floor((first + pad) / step) - (taps - 1),
    });
  }
  return result;
}
