import type { Weight } from "../../shared/models/index.ts";

/** A tensor as PyTorch has it. */
export interface TorchWeight {
  readonly shape: readonly number[];
  readonly values: Float32Array<ArrayBuffer>;
}

/** Row-major index of a place in an array. */
function at(shape: readonly number[], place: readonly number[]): number {
  return place.reduce((index, position, axis) => index * (shape[axis] ?? 0) + position, 0);
}

/** Every place of an array, in row-major order. */
function places(shape: readonly number[]): number[][] {
  return shape.reduce<number[][]>(
    (all, size) => all.flatMap((place) => Array.from({ length: size }, (_, index) => [...place, index])),
    [[]],
  );
}

/**
 * A weight of ours as PyTorch would have it, number by number from the definitions: dense [out, in], convolutions
 * [out, in, h, w], rows behind a map in the order channel, row, column.
 * @param map height, width and channels of the map that a dense layer's input was, where it was one
 */
export function asPytorch({ shape, values }: Weight, map: readonly [number, number, number] | undefined): TorchWeight {
  const moved = (theirs: readonly number[], ours: (place: readonly number[]) => readonly number[]) => ({
    shape: theirs,
    values: Float32Array.from(places(theirs), (place) => values[at(shape, ours(place))] ?? Number.NaN),
  });
  const [first = 0, second = 0, third = 0, fourth = 0] = shape;
  if (shape.length === 4) {
    return moved([fourth, third, first, second], ([out = 0, input = 0, row = 0, column = 0]) => [
      row,
      column,
      input,
      out,
    ]);
  }
  if (shape.length !== 2) return { shape, values };
  if (map === undefined) return moved([second, first], ([out = 0, input = 0]) => [input, out]);
  const [height, width, channels] = map;
  const unfolded = moved([second, channels, height, width], ([out = 0, channel = 0, row = 0, column = 0]) => [
    at([height, width, channels], [row, column, channel]),
    out,
  ]);
  return { shape: [second, first], values: unfolded.values };
}
