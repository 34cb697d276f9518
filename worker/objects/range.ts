/** A part of a representation, `end` exclusive. */
export interface ByteRange {
  readonly begin: number;
  readonly end: number;
}

/**
 * Reads a `Range` header for a representation of `length` bytes (RFC 9110, section 14).
 *
 * By design: only one range of unit `bytes` is served; several ranges, other units and malformed values are ignored,
 * as the RFC allows, and the whole representation is sent.
 * @returns the range, `unsatisfiable` where it lies outside, undefined where the whole is to be sent
 */
export function parseRange(header: string | undefined, length: number): ByteRange | "unsatisfiable" | undefined {
  const match = /^bytes=\s*(\d{0,15})-(\d{0,15})\s*$/i.exec(header ?? "");
  if (match === null) return undefined;
  const [, first = "", last = ""] = match;
  if (first === "") {
    if (last === "") return undefined;
    const suffix = Number(last);
    return suffix === 0 || length === 0 ? "unsatisfiable" : { begin: Math.max(0, length - suffix), end: length };
  }
  const begin = Number(first);
  if (last !== "" && Number(last) < begin) return undefined;
  if (begin >= length) return "unsatisfiable";
  return { begin, end: last === "" ? length : Math.min(length, Number(last) + 1) };
}

/**
 * Whether a list of entity tags, or `*`, holds this one. `If-None-Match` compares weakly, `If-Match` strongly (RFC 9110,
 * section 8.8.3.2).
 */
export function matchesEtag(header: string | undefined, etag: string, comparison: "weak" | "strong" = "weak"): boolean {
  if (header === undefined) return false;
  if (header.trim() === "*") return true;
  return header.split(",").some((candidate) => {
    const tag = candidate.trim();
    return (comparison === "weak" ? tag.replace(/^W\//, "") : tag) === etag;
  });
}
