import type { RowFormat } from "./combining.ts";

type Squares = (a: number, b: number, base: number, count: number, out: number) => void;
type Crosses = (a: number, b: number, c: number, d: number, base: number, count: number, out: number) => void;
type Search = (
  row: number,
  base: number,
  count: number,
  counts: number,
  low: number,
  high: number,
  list: number,
  first: number,
) => number;
type Sweep = (
  row: number,
  base: number,
  count: number,
  low: number,
  high: number,
  list: number,
  first: number,
  above: number,
) => number;
type CountLow = (row: number, base: number, count: number, counts: number, bucket: number) => void;
type MergeElected = (
  entries: number,
  end: number,
  scratch: number,
  base: number,
  count: number,
  result: number,
  lambda: number,
  negligible: number,
) => number;
type Elect = (
  entries: number,
  base: number,
  count: number,
  result: number,
  lambda: number,
  negligible: number,
) => number;
type MergeAll = (
  entries: number,
  end: number,
  base: number,
  count: number,
  result: number,
  lambda: number,
  divisor: number,
) => number;
type Sums = (row: number, base: number, count: number, mask: number, low: number, high: number, out: number) => void;
type Encode = (from: number, to: number, count: number) => number;

/** How many inputs {@link CombiningKernels.elect} takes. */
type Elected = 2 | 3 | 4;
type ElectExports = Readonly<Record<`elect${"Plain" | "Weighted"}${Elected}To${RowFormat}`, Elect>>;

/** What an instance of `build/averaging.wasm` exports for `CombiningKernels`. */
export interface CombiningExports extends ElectExports {
  readonly squaresF32: Squares;
  readonly squaresF64: Squares;
  readonly crossesF32: Crosses;
  readonly crossesF64: Crosses;
  readonly searchKeysF32: Search;
  readonly searchKeysF64: Search;
  readonly sweepKeysF32: Sweep;
  readonly sweepKeysF64: Sweep;
  readonly countLowF32: CountLow;
  readonly countLowF64: CountLow;
  readonly mergeElectedF32: MergeElected;
  readonly mergeElectedF64: MergeElected;
  readonly mergeAllF32: MergeAll;
  readonly mergeAllF64: MergeAll;
  readonly magnitudeSumsF32: Sums;
  readonly magnitudeSumsF64: Sums;
  readonly encodeToF32: Encode;
  readonly encodeToF16: Encode;
  readonly encodeToBF16: Encode;
  readonly encodeToF64: Encode;
  readonly encodeToE4M3: Encode;
  readonly encodeToE5M2: Encode;
  narrowList(list: number, end: number, low: number, high: number): number;
  keepNegativeZeros(table: number, output: number, width: number, outputWidth: number, count: number): void;
}
