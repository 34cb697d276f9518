/**
 * How a model is cut into parts of a multipart upload. The same cut names the digests in a manifest, whichever way the
 * model was made.
 *
 * R2 wants parts of equal size, at least 5 MiB but for the last, and at most 10 000 of them.
 * @see https://developers.cloudflare.com/r2/objects/multipart-objects/
 */
const LEAST_PART_BYTES = 8 * 2 ** 20;
const MOST_PARTS = 10_000;
/** Part sizes are multiples of it, so that no element of an aligned file straddles two parts. */
const GRAIN = 2 ** 16;

/** Bytes of each part but the last. */
export function partBytesOf(fileLength: number): number {
  return Math.max(LEAST_PART_BYTES, Math.ceil(fileLength / MOST_PARTS / GRAIN) * GRAIN);
}

export function partCount(fileLength: number, partBytes: number): number {
  return Math.max(1, Math.ceil(fileLength / partBytes));
}

/** The bytes of part `number`, counted from 1. */
export function partRange(fileLength: number, partBytes: number, number: number): { begin: number; end: number } {
  return { begin: (number - 1) * partBytes, end: Math.min(fileLength, number * partBytes) };
}

/** Cuts `count` parts into groups, one for each step of a Workflow: a step does some work, and there are few steps. */
export function groupParts(count: number, least = 4, mostGroups = 500): { first: number; last: number }[] {
  const size = Math.max(least, Math.ceil(count / mostGroups));
  return Array.from({ length: Math.ceil(count / size) }, (_, index) => ({
    first: index * size + 1,
    last: Math.min(count, (index + 1) * size),
  }));
}
