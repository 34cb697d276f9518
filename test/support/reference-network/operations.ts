/** A row-major float64 array. */
export interface Values {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

export const product = (shape: readonly number[]) => shape.reduce((size, dimension) => size * dimension, 1);

export const filled = (shape: readonly number[], at: (index: number) => number): Values => ({
  shape,
  data: Float64Array.from({ length: product(shape) }, (_, index) => at(index)),
});

export const reshaped = ({ data }: Values, shape: readonly number[]): Values => ({ shape, data });

const map = ({ shape, data }: Values, change: (value: number) => number): Values => ({ shape, data: data.map(change) });

/** Entry of an array that is known to be long enough. */
const at = (data: Float64Array, index: number): number => data[index] ?? Number.NaN;

export const relu = (input: Values): Values => map(input, (value) => Math.max(0, value));

export const add = (a: Values, b: Values): Values => ({
  shape: a.shape,
  data: a.data.map((value, index) => value + at(b.data, index % b.data.length)),
});

/** [..., in] x [in, out] + [out]. */
export function dense(input: Values, kernel: Values, bias: Values): Values {
  const [inputs = 0, outputs = 0] = kernel.shape;
  const rows = input.data.length / inputs;
  const data = new Float64Array(rows * outputs);
  for (let row = 0; row < rows; row++) {
    for (let unit = 0; unit < outputs; unit++) {
      let sum = at(bias.data, unit);
      for (let i = 0; i < inputs; i++) sum += at(input.data, row * inputs + i) * at(kernel.data, i * outputs + unit);
      data[row * outputs + unit] = sum;
    }
  }
  return { shape: [...input.shape.slice(0, -1), outputs], data };
}

/** Output size and zeros before the first entry, by TensorFlow's rules. */
function window(size: number, kernel: number, stride: number, padding: "same" | "valid"): [number, number] {
  if (padding === "valid") return [Math.floor((size - kernel) / stride) + 1, 0];
  const output = Math.ceil(size / stride);
  return [output, Math.floor(Math.max(0, (output - 1) * stride + kernel - size) / 2)];
}

/** [batch, h, w, c] by [k, k, c, filters]. */
export function convolve(input: Values, kernel: Values, stride: number, padding: "same" | "valid"): Values {
  const [batch = 0, height = 0, width = 0, channels = 0] = input.shape;
  const [side = 0, , , filters = 0] = kernel.shape;
  const [rows, top] = window(height, side, stride, padding);
  const [columns, left] = window(width, side, stride, padding);
  const data = new Float64Array(batch * rows * columns * filters);
  for (let position = 0; position < batch * rows * columns; position++) {
    const column = position % columns;
    const row = Math.floor(position / columns) % rows;
    const sample = Math.floor(position / columns / rows);
    for (let dy = 0; dy < side; dy++) {
      for (let dx = 0; dx < side; dx++) {
        const [y, x] = [row * stride + dy - top, column * stride + dx - left];
        if (y < 0 || x < 0 || y >= height || x >= width) continue;
        for (let c = 0; c < channels; c++) {
          const value = at(input.data, ((sample * height + y) * width + x) * channels + c);
          for (let f = 0; f < filters; f++) {
            const index = position * filters + f;
            data[index] = at(data, index) + value * at(kernel.data, ((dy * side + dx) * channels + c) * filters + f);
          }
        }
      }
    }
  }
  return { shape: [batch, rows, columns, filters], data };
}

/** The maximum of each 2 x 2 square; what is left at the edge is dropped. */
export function halve(input: Values): Values {
  const [batch = 0, height = 0, width = 0, channels = 0] = input.shape;
  const [rows, columns] = [Math.floor(height / 2), Math.floor(width / 2)];
  return filled([batch, rows, columns, channels], (index) => {
    const c = index % channels;
    const column = Math.floor(index / channels) % columns;
    const row = Math.floor(index / channels / columns) % rows;
    const sample = Math.floor(index / channels / columns / rows);
    const corners = [0, 1, 2, 3].map((corner) => {
      const [y, x] = [2 * row + (corner >> 1), 2 * column + (corner & 1)];
      return at(input.data, ((sample * height + y) * width + x) * channels + c);
    });
    return Math.max(...corners);
  });
}

/** Every second row and column, with zero channels added behind. */
export function strideAndPad(input: Values, filters: number): Values {
  const [batch = 0, height = 0, width = 0, channels = 0] = input.shape;
  const [rows, columns] = [Math.ceil(height / 2), Math.ceil(width / 2)];
  return filled([batch, rows, columns, filters], (index) => {
    const c = index % filters;
    const column = Math.floor(index / filters) % columns;
    const row = Math.floor(index / filters / columns) % rows;
    const sample = Math.floor(index / filters / columns / rows);
    return c < channels ? at(input.data, ((sample * height + 2 * row) * width + 2 * column) * channels + c) : 0;
  });
}

/** The mean over the axes between the first and the last. */
export function meanOverPositions(input: Values): Values {
  const [batch = 0] = input.shape;
  const channels = input.shape.at(-1) ?? 0;
  const positions = input.data.length / batch / channels;
  return filled([batch, channels], (index) => {
    const [sample, c] = [Math.floor(index / channels), index % channels];
    let sum = 0;
    for (let p = 0; p < positions; p++) sum += at(input.data, (sample * positions + p) * channels + c);
    return sum / positions;
  });
}

const EPSILON = 1e-5;

/** Mean and variance of every `stride`-th entry from `begin` on, `count` of them. */
function moments(data: Float64Array, begin: number, stride: number, count: number): { mean: number; variance: number } {
  let mean = 0;
  for (let i = 0; i < count; i++) mean += at(data, begin + i * stride) / count;
  let variance = 0;
  for (let i = 0; i < count; i++) variance += (at(data, begin + i * stride) - mean) ** 2 / count;
  return { mean, variance };
}

/** Over the last axis. */
export function layerNorm({ shape, data }: Values, gamma: Values, beta: Values): Values {
  const channels = shape.at(-1) ?? 0;
  const rows = Array.from({ length: data.length / channels }, (_, row) => moments(data, row * channels, 1, channels));
  return filled(shape, (index) => {
    const { mean, variance } = rows[Math.floor(index / channels)] ?? { mean: Number.NaN, variance: Number.NaN };
    const c = index % channels;
    return ((at(data, index) - mean) / Math.sqrt(variance + EPSILON)) * at(gamma.data, c) + at(beta.data, c);
  });
}

/** What batch normalisation normalises with: the statistics of this batch. */
export function batchMoments({ shape, data }: Values): { mean: Values; variance: Values } {
  const channels = shape.at(-1) ?? 0;
  const all = Array.from({ length: channels }, (_, c) => moments(data, c, channels, data.length / channels));
  return {
    mean: filled([channels], (c) => all[c]?.mean ?? Number.NaN),
    variance: filled([channels], (c) => all[c]?.variance ?? Number.NaN),
  };
}

export function batchNorm(
  { shape, data }: Values,
  gamma: Values,
  beta: Values,
  { mean, variance }: { mean: Values; variance: Values },
): Values {
  return filled(shape, (index) => {
    const c = index % (shape.at(-1) ?? 0);
    const normal = (at(data, index) - at(mean.data, c)) / Math.sqrt(at(variance.data, c) + EPSILON);
    return normal * at(gamma.data, c) + at(beta.data, c);
  });
}

export const gelu = (input: Values): Values => map(input, (value) => (value * (1 + erf(value / Math.SQRT2))) / 2);

/** The error function by its series without cancellation (Abramowitz & Stegun 7.1.6). */
function erf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x);
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

/** Attention of each head over [batch, n, width] queries, keys and values. */
export function attend(query: Values, key: Values, value: Values, heads: number, causal: boolean): Values {
  const [batch = 0, length = 0, width = 0] = query.shape;
  const size = width / heads;
  const data = new Float64Array(query.data.length);
  for (let sample = 0; sample < batch; sample++) {
    for (let head = 0; head < heads; head++) {
      const place = (token: number, entry: number) => (sample * length + token) * width + head * size + entry;
      for (let i = 0; i < length; i++) {
        const last = causal ? i + 1 : length;
        const scores = Array.from({ length: last }, (_, j) => {
          let sum = 0;
          for (let e = 0; e < size; e++) sum += at(query.data, place(i, e)) * at(key.data, place(j, e));
          return Math.exp(sum / Math.sqrt(size));
        });
        const total = scores.reduce((sum, score) => sum + score, 0);
        for (let e = 0; e < size; e++) {
          const mixed = scores.reduce((sum, score, j) => sum + (score / total) * at(value.data, place(j, e)), 0);
          data[place(i, e)] = mixed;
        }
      }
    }
  }
  return { shape: query.shape, data };
}

/** Mean softmax cross-entropy of [rows, classes], or of all rows of [batch, length, classes]. */
export function crossEntropy(logits: Values, labels: Int32Array): number {
  const classes = logits.shape.at(-1) ?? 0;
  let loss = 0;
  for (const [row, label] of labels.entries()) {
    const scores = logits.data.subarray(row * classes, (row + 1) * classes);
    loss += Math.log(scores.reduce((sum, score) => sum + Math.exp(score), 0)) - at(scores, label);
  }
  return loss / labels.length;
}
