import { Problem } from "../problem.ts";

export type JsonValue = string | number | boolean | null | JsonValue[] | JsonObject;
export type JsonObject = Map<string, JsonValue>;

/** Deeper nesting than any legal header has; stops stack exhaustion by hostile input. */
const MAX_DEPTH = 16;

/**
 * Parses JSON (RFC 8259) and refuses what `JSON.parse` silently accepts: duplicate keys, of which it keeps the last.
 * Two readers of one file could then disagree on where a tensor lies. Objects come back as Maps, so that a key such as
 * `__proto__` is a key like any other.
 *
 * Scalars are sliced out and handed to `JSON.parse`, which knows escapes and number syntax better than we would.
 * @throws Problem `malformed-safetensors` with the character offset
 */
export function parseStrictJson(text: string): JsonValue {
  let at = 0;

  const fail = (what: string): never => {
    throw new Problem("malformed-safetensors", `The header is not valid JSON: ${what} at character ${at}.`, {
      offset: at,
    });
  };
  const skipWhitespace = () => {
    while (at < text.length) {
      const code = text.charCodeAt(at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) break;
      at++;
    }
  };
  const scalar = (end: number): string | number | boolean | null => {
    try {
      const value = JSON.parse(text.slice(at, end)) as string | number | boolean | null;
      at = end;
      return value;
    } catch {
      return fail("an invalid value");
    }
  };
  const string = (): string => {
    let end = at + 1;
    while (end < text.length && text[end] !== '"') end += text[end] === "\\" ? 2 : 1;
    if (end >= text.length) return fail("an unterminated string");
    return scalar(end + 1) as string;
  };
  const value = (depth: number): JsonValue => {
    if (depth > MAX_DEPTH) return fail(`nesting deeper than ${MAX_DEPTH}`);
    skipWhitespace();
    switch (text[at]) {
      case "{":
        return object(depth);
      case "[":
        return array(depth);
      case '"':
        return string();
      case undefined:
        return fail("unexpected end");
      default: {
        let end = at;
        while (end < text.length && !",]} \t\r\n".includes(text[end] ?? "")) end++;
        return scalar(end);
      }
    }
  };
  const array = (depth: number): JsonValue[] => {
    const items: JsonValue[] = [];
    at++;
    skipWhitespace();
    if (text[at] === "]") {
      at++;
      return items;
    }
    for (;;) {
      items.push(value(depth + 1));
      skipWhitespace();
      const next = text[at++];
      if (next === "]") return items;
      if (next !== ",") return fail("expected , or ]");
    }
  };
  const object = (depth: number): JsonObject => {
    const members: JsonObject = new Map();
    at++;
    skipWhitespace();
    if (text[at] === "}") {
      at++;
      return members;
    }
    for (;;) {
      skipWhitespace();
      if (text[at] !== '"') return fail("expected a key");
      const key = string();
      if (members.has(key)) return fail(`duplicate key ${JSON.stringify(key)}`);
      skipWhitespace();
      if (text[at++] !== ":") return fail("expected :");
      members.set(key, value(depth + 1));
      skipWhitespace();
      const next = text[at++];
      if (next === "}") return members;
      if (next !== ",") return fail("expected , or }");
    }
  };

  const parsed = value(0);
  skipWhitespace();
  if (at !== text.length) fail("trailing characters");
  return parsed;
}
