/**
 * What looks like a secret: tokens of ours, JSON Web Tokens, keys of AWS, GitHub, GitLab, Slack, Hugging Face, OpenAI
 * and Google, credentials in addresses and header fields, and whatever is assigned to a name that says it is one.
 */
const SECRETS: readonly RegExp[] = [
  /ef_[\w-]{43}/g,
  /eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*/g,
  /\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/g,
  /\bgh[pousr]_[A-Za-z0-9]{20,}/g,
  /\bgithub_pat_\w{20,}/g,
  /\bglpat-[\w-]{16,}/g,
  /\bxox[abprs]-[\w-]{10,}/g,
  /\bhf_[A-Za-z0-9]{20,}/g,
  /\bsk-[\w-]{20,}/g,
  /\bAIza[\w-]{30,}/g,
  /(?<=:\/\/[^\s/:@]{1,100}:)[^\s/@]{3,200}(?=@)/g,
  /(?<=\b(?:authorization|proxy-authorization)\s{0,3}[:=]\s{0,3}(?:(?:bearer|basic)\s{1,3})?)(?!bearer\b|basic\b)[^\s"',;]{8,}/gi,
  /(?<=\bbearer\s{1,3})[\w.~+/=-]{16,}/gi,
  /(?<=\b\w{0,40}(?:secret|token|passwd|password|api_?key|access_?key|private_?key)\w{0,20}["']?\s{0,3}[:=]\s{0,3}["']?)[^\s"',;]{8,}/gi,
];

/** Characters before a chunk that are looked at again with it: a secret may lie across the seam. */
export const SEAM = 512;

/** Text with what looks like a secret replaced by as many asterisks. Lengths stay, and with them every offset. */
export function maskSecrets(text: string): string {
  let masked = text;
  for (const pattern of SECRETS) masked = masked.replaceAll(pattern, (secret) => "*".repeat(secret.length));
  return masked;
}

/** C0 but tab and line feed, DEL, C1, and what turns the direction of text or hides it. */
const UNSAFE = new RegExp(
  String.raw`[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]`,
  "g",
);

/**
 * Text as it may be shown on a terminal or a page: nothing in it moves a cursor, sets a colour or begins a command of
 * the terminal. A carriage return before a line feed goes; other control characters show as `\x1b` or `\u202e`.
 */
export function showLog(text: string): string {
  return text.replaceAll(/\r+\n/g, "\n").replaceAll(UNSAFE, (character) => {
    const code = character.charCodeAt(0);
    return code < 256
      ? String.raw`\x${code.toString(16).padStart(2, "0")}`
      : String.raw`\u${code.toString(16).padStart(4, "0")}`;
  });
}

/** Bytes as text with one character for each, U+0000 to U+00FF: what is cut anywhere can be joined again. */
export function textOfBytes(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return text;
}

/** The inverse of {@link textOfBytes}. */
export function bytesOfText(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return bytes;
}

/** Length without the beginning of a UTF-8 character whose rest has not come yet. */
export function wholeCharacters(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte < 0x80) return bytes.length;
    if (byte < 0xc0) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    return length > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}
