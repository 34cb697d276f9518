import { Problem } from "../../shared/problem.ts";
import { modelFileNames, type ModelReader, openModelFile } from "../serving/model-files.ts";
import { sha256Hex } from "../objects/digest.ts";
import { entityTag, type Representation } from "../objects/serve.ts";
import type { Revision } from "./repository.ts";

/** A file of a repository as `/api/models/…/tree` and `/paths-info` list it. */
export interface RepositoryEntry {
  readonly type: "file";
  readonly path: string;
  readonly size: number;
  /** 40 hex digits as Git's, but of the entity tag: nobody has hashed what is not computed yet. */
  readonly oid: string;
  /** Where the SHA-256 of a weight file is known. */
  readonly lfs?: { readonly oid: string; readonly size: number; readonly pointerSize: number };
  readonly lastCommit?: { readonly id: string; readonly title: string; readonly date: string };
}

/** What cannot be had of this model is to a Hub client a file that is not there. */
const ABSENT = new Set(["form-unavailable", "not-materialized", "not-found"]);

/**
 * A file of a revision.
 * @throws Problem `not-found` with `errorCode: "EntryNotFound"`
 */
export async function openEntry(reader: ModelReader, revision: Revision, path: string): Promise<Representation> {
  let reason = `${revision.repository} has no file of this name.`;
  try {
    const found = await openModelFile(reader, revision.served, path);
    if (found !== undefined) return found;
  } catch (error) {
    if (!(error instanceof Problem) || !ABSENT.has(error.code)) throw error;
    reason = error.message;
  }
  throw noSuchEntry(revision, reason);
}

export function noSuchEntry({ repository }: Revision, reason: string): Problem {
  return new Problem("not-found", reason, { repository, errorCode: "EntryNotFound" });
}

/** Every file of a revision. @param expand whether the commit is listed with each */
export async function listEntries(
  reader: ModelReader,
  revision: Revision,
  expand: boolean,
): Promise<RepositoryEntry[]> {
  const names = await modelFileNames(reader, revision.served);
  return entriesOf(reader, revision, names, expand);
}

/** Those of the named files that there are. */
export async function entriesOf(
  reader: ModelReader,
  revision: Revision,
  paths: readonly string[],
  expand: boolean,
): Promise<RepositoryEntry[]> {
  const entries = [];
  for (const path of paths) {
    try {
      entries.push(await entryOf(revision, path, await openEntry(reader, revision, path), expand));
    } catch (error) {
      if (!(error instanceof Problem) || error.code !== "not-found") throw error;
    }
  }
  return entries;
}

async function entryOf(
  { commit, modifiedAt }: Revision,
  path: string,
  representation: Representation,
  expand: boolean,
): Promise<RepositoryEntry> {
  const { bytes: size, sha256, contentType } = representation;
  const isLarge = sha256 !== undefined && contentType === "application/octet-stream";
  return {
    type: "file",
    path,
    size,
    oid: (await sha256Hex(new TextEncoder().encode(entityTag(representation)))).slice(0, 40),
    ...(isLarge ? { lfs: { oid: sha256, size, pointerSize: pointer(sha256, size).length } } : {}),
    ...(expand ? { lastCommit: { id: commit, title: `Fuse ${commit.slice(0, 12)}`, date: modifiedAt } } : {}),
  };
}

/** @see https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md */
function pointer(sha256: string, size: number): string {
  return `version https://git-lfs.github.com/spec/v1\noid sha256:${sha256}\nsize ${size}\n`;
}
