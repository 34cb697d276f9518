import * as z from "zod";

/** One number, or a gradient: numbers spread evenly over the layers, with straight lines between them. */
export type LayerNumber = number | readonly number[];

/**
 * A parameter that may differ between tensors: one number for all, a gradient over the layers, or a list of name
 * patterns tried in order, the first that fits deciding.
 */
export type TensorNumber = LayerNumber | readonly { readonly pattern: string; readonly value: LayerNumber }[];

export interface NumberRange {
  readonly least?: number;
  readonly most?: number;
}

type TensorNumberSchema = z.ZodType<TensorNumber, TensorNumber>;

/** Schemas never change, and making one takes long beside a worker's start: methods share those of equal ranges. */
const schemas = new Map<string, TensorNumberSchema>();

/** Schema of a {@link TensorNumber} whose numbers all lie in the range, ends included. */
export function tensorNumber(range: NumberRange = {}): TensorNumberSchema {
  const key = `${range.least} ${range.most}`;
  const schema = schemas.get(key) ?? makeTensorNumber(range);
  schemas.set(key, schema);
  return schema;
}

function makeTensorNumber({ least, most }: NumberRange): TensorNumberSchema {
  let number = z.number();
  if (least !== undefined) number = number.min(least);
  if (most !== undefined) number = number.max(most);
  const layer = z.union([number, z.array(number).min(1).max(1024)]);
  const from = least === undefined ? "" : ` from ${least}`;
  const to = most === undefined ? "" : ` to ${most}`;
  return z.union(
    [
      layer,
      z
        .array(z.strictObject({ pattern: z.string().min(1), value: layer }))
        .min(1)
        .max(256),
    ],
    {
      error: `a number${from}${to}, a list of such numbers over the layers, or a list of {pattern, value}`,
    },
  );
}

/** Where a tensor stands: its name, and its place in [0, 1] among the layers (see `layerPositions`). */
export interface TensorPlace {
  readonly name: string;
  readonly position: number;
}

/** The number that holds for a tensor; undefined where no pattern fits its name. */
export function resolveTensorNumber(value: TensorNumber, { name, position }: TensorPlace): number | undefined {
  if (isLayerNumber(value)) return resolveLayerNumber(value, position);
  const fitting = value.find(({ pattern }) => fitsPattern(pattern, name));
  return fitting === undefined ? undefined : resolveLayerNumber(fitting.value, position);
}

function isLayerNumber(value: TensorNumber): value is LayerNumber {
  return typeof value === "number" || typeof value[0] === "number";
}

/** A gradient of k numbers at t: s = t(k - 1), between the numbers ⌊s⌋ and ⌊s⌋ + 1 on the straight line. */
function resolveLayerNumber(value: LayerNumber, position: number): number {
  if (typeof value === "number") return value;
  const at = position * (value.length - 1);
  const index = Math.floor(at);
  const share = at - index;
  const here = value[index] ?? 0;
  if (share === 0) return here;
  return (1 - share) * here + share * (value[Math.min(value.length - 1, index + 1)] ?? 0);
}

/** Glob over the whole name: `*` is any run of characters, dots and slashes included, `?` is one character. */
export function fitsPattern(pattern: string, name: string): boolean {
  // Greedy with one point of return, which is linear in practice and needs no regular expression from a stranger.
  let p = 0;
  let n = 0;
  let star = -1;
  let resume = 0;
  while (n < name.length) {
    if (pattern[p] === "*") {
      star = p++;
      resume = n;
    } else if (p < pattern.length && (pattern[p] === "?" || pattern[p] === name[n])) {
      p++;
      n++;
    } else if (star >= 0) {
      p = star + 1;
      n = ++resume;
    } else {
      return false;
    }
  }
  while (pattern[p] === "*") p++;
  return p === pattern.length;
}
