/**
 * JSON Canonicalization Scheme (RFC 8785): one value, one text, so that a digest of it names the value.
 *
 * Numbers and strings are written as `JSON.stringify` writes them, which is what the RFC prescribes (ECMAScript's
 * Number-to-string; minimal escapes). Keys are sorted by UTF-16 code units, which is what `<` on strings compares.
 * @throws TypeError for what JSON cannot say: non-finite numbers, lone surrogates, undefined, functions, cycles
 */
export function canonicalJson(value: unknown): string {
  switch (typeof value) {
    case "string":
      if (!value.isWellFormed()) throw new TypeError("a string with a lone surrogate has no canonical JSON");
      return JSON.stringify(value);
    case "number":
      if (!Number.isFinite(value)) throw new TypeError(`${value} has no JSON form`);
      return JSON.stringify(value);
    case "boolean":
      return String(value);
    case "object": {
      if (value === null) return "null";
      if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
      const members = Object.entries(value)
        .filter(([, member]) => member !== undefined)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([key, member]) => `${canonicalJson(key)}:${canonicalJson(member)}`);
      return `{${members.join(",")}}`;
    }
    default:
      throw new TypeError(`a ${typeof value} has no JSON form`);
  }
}
