import {
  encode,
  encodeBias,
  encodeEight,
  gridBits,
  largestBits,
  smallestBits,
} from "../averaging/float-formats";
import { heldDoubles, heldWords } from "../averaging/held-constant";

/** Rounds float64 to a format, once, to nearest even. @returns how many results are not finite */
export function encodeRow<Out>(from: usize, to: usize, count: i32): i32 {
  const exponentMask = heldDoubles(0x7ff0000000000000);
  const smallest = heldDoubles(smallestBits<Out>());
  const grid = heldDoubles(gridBits<Out>());
  const bias = heldWords(encodeBias<Out>());
  const largest = heldWords(largestBits<Out>());
  const whole = count & ~7;
  let nonFinite = 0;
  let index = 0;
  for (; index < whole; index += 8) {
    const source = from + (<usize>index << 3);
    nonFinite += encodeEight<Out>(
      to + <usize>index * sizeof<Out>(),
      v128.load(source),
      v128.load(source, 16),
      v128.load(source, 32),
      v128.load(source, 48),
      exponentMask,
      smallest,
      grid,
      bias,
      largest,
    );
  }
  for (; index < count; index++) {
    nonFinite += encode<Out>(to + <usize>index * sizeof<Out>(), load<f64>(from + (<usize>index << 3)));
  }
  return nonFinite;
}
