import { INCOMING_PREFIX } from "./keys.ts";

const LONGEST_NAME = 200;

/** The file name that a `Content-Disposition` header announces (RFC 6266, the plain form), without folders. */
export function announcedName(header: string | undefined): string | null {
  const match = /;\s*filename\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))/i.exec(header ?? "");
  const name = match?.[1]?.replaceAll(/\\(.)/g, "$1") ?? match?.[2];
  return name === undefined ? null : cleanName(name);
}

/** What an S3 client called an object that it left below `incoming/`. */
export function incomingName(key: string): string | null {
  return key.startsWith(INCOMING_PREFIX) ? cleanName(key) : null;
}

/** A name as it is shown: without folders and control characters, not too long. */
export function cleanName(name: string): string | null {
  const last = name.split(/[/\\]/).at(-1) ?? "";
  // Names are shown: nothing that could move a cursor or end a line.
  const clean = last
    .replaceAll(/\p{Cc}/gu, "")
    .trim()
    .slice(0, LONGEST_NAME);
  return clean === "" ? null : clean;
}
