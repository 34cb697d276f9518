import { Problem } from "../../shared/problem.ts";

/** One part of a multipart/form-data body. */
export interface FormPart {
  /** Of the field. */
  readonly name: string;
  /** Undefined for a field that is text. */
  readonly fileName: string | undefined;
  /** A view into the body, not a copy. */
  readonly data: Uint8Array<ArrayBuffer>;
}

const MOST_PARTS = 256;
const LONGEST_HEADERS = 16 * 1024;
const CR = 0x0d;

/**
 * The boundary that a `Content-Type` announces (RFC 2046, section 5.1.1).
 * @throws Problem `malformed-request` where there is none
 */
export function boundaryOf(contentType: string): string {
  const match = /;\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i.exec(contentType);
  const boundary = match?.[1] ?? match?.[2];
  if (boundary === undefined) throw malformed("Its content type names no boundary.");
  return boundary;
}

/**
 * Takes a multipart/form-data body apart (RFC 7578). `FormData` of the platform would copy every file.
 *
 * By design: no preamble, no nested multiparts, no transfer encodings, as browsers and curl send none.
 * @throws Problem `malformed-request`, `truncated-file` where the body ends before its last boundary
 */
export function parseFormData(body: Uint8Array<ArrayBuffer>, boundary: string): FormPart[] {
  const encoder = new TextEncoder();
  const opening = encoder.encode(`--${boundary}`);
  const delimiter = encoder.encode(`\r\n--${boundary}`);
  if (!startsWith(body, opening, 0)) throw malformed("It does not begin with its boundary.");
  const parts: FormPart[] = [];
  let at = opening.length;
  while (!(body[at] === 0x2d && body[at + 1] === 0x2d)) {
    if (body[at] !== CR || body[at + 1] !== 0x0a) throw malformed("A boundary is not followed by a new line.");
    const begin = at + 2;
    const headersEnd = findHeadersEnd(body, begin);
    const end = find(body, delimiter, headersEnd - 2);
    if (end < 0) throw new Problem("truncated-file", "The body ends before its last boundary.");
    const data = body.subarray(Math.min(headersEnd, end), end);
    parts.push({ ...dispositionOf(new TextDecoder().decode(body.subarray(begin, headersEnd))), data });
    if (parts.length > MOST_PARTS) throw malformed(`It has more than ${MOST_PARTS} parts.`);
    at = end + delimiter.length;
  }
  return parts;
}

function findHeadersEnd(body: Uint8Array, begin: number): number {
  const blank = find(body.subarray(begin, begin + LONGEST_HEADERS), new TextEncoder().encode("\r\n\r\n"), 0);
  if (blank < 0) throw malformed("The headers of a part do not end.");
  return begin + blank + 4;
}

function dispositionOf(headers: string): Omit<FormPart, "data"> {
  const line = headers.split("\r\n").find((header) => /^content-disposition:/i.test(header));
  const name = parameterOf(line ?? "", "name");
  if (name === undefined) throw malformed("A part has no name.");
  return { name, fileName: parameterOf(line ?? "", "filename") };
}

function parameterOf(line: string, parameter: string): string | undefined {
  const match = new RegExp(String.raw`;\s*${parameter}=(?:"((?:[^"\\]|\\.)*)"|([^\s;]+))`, "i").exec(line);
  // As browsers write it: only the quote and line ends are escaped.
  return (match?.[1] ?? match?.[2])?.replaceAll("%22", '"').replaceAll(String.raw`\"`, '"');
}

/** Where `wanted`, which begins with CR, occurs first; -1 where it does not. */
function find(bytes: Uint8Array, wanted: Uint8Array, from: number): number {
  for (let at = bytes.indexOf(CR, from); at >= 0; at = bytes.indexOf(CR, at + 1)) {
    if (startsWith(bytes, wanted, at)) return at;
  }
  return -1;
}

function startsWith(bytes: Uint8Array, wanted: Uint8Array, at: number): boolean {
  return at + wanted.length <= bytes.length && wanted.every((byte, index) => bytes[at + index] === byte);
}

function malformed(what: string): Problem {
  return new Problem("malformed-request", `The body is not multipart/form-data as announced. ${what}`);
}
