/**
 * PyTorch's layouts turned into TensorFlow's. Numbers are moved, never changed.
 * @see https://pytorch.org/docs/stable/generated/torch.nn.Linear.html and torch.nn.Conv2d for the shapes
 */

/** Height, width and channels of a map that is flattened. */
export type FlatMap = readonly [height: number, width: number, channels: number];

/** [out, in] to [in, out]. */
export function transposed(
  values: Float32Array<ArrayBuffer>,
  rows: number,
  columns: number,
): Float32Array<ArrayBuffer> {
  const result = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) result[column * rows + row] = values[row * columns + column] ?? 0;
  }
  return result;
}

/**
 * A dense kernel behind a flattened map: [out, channel row column] to [row column channel, out].
 * @param units `out`
 */
export function transposedBehindMap(
  values: Float32Array<ArrayBuffer>,
  units: number,
  [height, width, channels]: FlatMap,
): Float32Array<ArrayBuffer> {
  const result = new Float32Array(values.length);
  const positions = height * width;
  for (let unit = 0; unit < units; unit++) {
    const begin = unit * positions * channels;
    for (let channel = 0; channel < channels; channel++) {
      for (let position = 0; position < positions; position++) {
        result[(position * channels + channel) * units + unit] = values[begin + channel * positions + position] ?? 0;
      }
    }
  }
  return result;
}

/**
 * A convolution's kernel: [out, in, h, w] to [h, w, in, out].
 * @param positions h * w
 */
export function convolutionKernel(
  values: Float32Array<ArrayBuffer>,
  outputs: number,
  inputs: number,
  positions: number,
): Float32Array<ArrayBuffer> {
  const result = new Float32Array(values.length);
  for (let output = 0; output < outputs; output++) {
    for (let input = 0; input < inputs; input++) {
      const begin = (output * inputs + input) * positions;
      for (let position = 0; position < positions; position++) {
        result[(position * inputs + input) * outputs + output] = values[begin + position] ?? 0;
      }
    }
  }
  return result;
}
