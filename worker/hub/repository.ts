import { aliasName } from "../../shared/api/aliases.ts";
import { modelId, type ModelId } from "../../shared/identity.ts";
import { Problem } from "../../shared/problem.ts";
import { findAliasVersion, findVersionOfModel } from "../catalog/alias-history.ts";
import { type AliasRecord, findAlias } from "../catalog/aliases.ts";
import type { AppContext } from "../environment.ts";
import type { ServedModel } from "../fusing/served-model.ts";
import { noSuchAlias, readableByName } from "../serving/readable-alias.ts";
import { readableModel } from "../serving/readable-model.ts";

/** A model, as Hugging Face's clients address it. */
export interface Revision {
  /** As it was asked for: `team/digits`. */
  readonly repository: string;
  /** The model's id, which stands for a commit: it names the content. */
  readonly commit: ModelId;
  readonly served: ServedModel;
  /** Whether the revision is a name that moves. */
  readonly freshness: "immutable" | "brief";
  /** RFC 3339. */
  readonly modifiedAt: string;
}

/** Names of the current revision; clients ask for one or the other. */
const CURRENT = new Set(["main", "HEAD"]);

/**
 * Finds a revision of a repository. A repository is an alias, whose versions `v1`, `v2` and models are its revisions; or
 * one model, as `models/<id>` or `<id>`.
 * @throws Problem as `readableAlias` does, so that a repository that is not for whoever asks is none; `not-found` with
 *   `errorCode: "RevisionNotFound"`
 */
export async function findRevision(c: AppContext, repository: string, revision: string, now: Date): Promise<Revision> {
  const single = modelId.safeParse(repository.replace(/^models\//, ""));
  if (single.success) {
    const commit = single.data;
    const served = await readableModel(c, commit, now);
    if (!CURRENT.has(revision) && revision !== commit) throw noSuchRevision(repository, revision);
    return { repository, commit, served, freshness: "immutable", modifiedAt: createdAt(served) };
  }

  const name = aliasName.safeParse(repository);
  const alias = name.success ? await findAlias(c.env.CATALOG, name.data) : undefined;
  if (alias === undefined) throw c.get("refusal") ?? noSuchAlias(repository);
  // Who may not read what is current is told nothing of what was before.
  const current = await readableByName(c, alias.model, repository, now);
  if (CURRENT.has(revision)) {
    return { repository, commit: alias.model, served: current, freshness: "brief", modifiedAt: alias.updatedAt };
  }
  const version = await findVersion(c.env.CATALOG, alias, revision);
  if (version === undefined || version.model === null) throw noSuchRevision(repository, revision);
  const served = await readableRevision(c, version.model, repository, revision, now);
  return { repository, commit: version.model, served, freshness: "immutable", modifiedAt: version.createdAt };
}

async function findVersion(catalog: D1Database, { name }: AliasRecord, revision: string) {
  const number = /^v([1-9]\d{0,9})$/.exec(revision)?.[1];
  if (number !== undefined) return findAliasVersion(catalog, name, Number(number));
  const model = modelId.safeParse(revision);
  return model.success ? findVersionOfModel(catalog, name, model.data) : undefined;
}

/** A version may have pointed at a model that was deleted since, or that is private. */
async function readableRevision(c: AppContext, model: ModelId, repository: string, revision: string, now: Date) {
  try {
    return await readableByName(c, model, repository, now);
  } catch (error) {
    if (error instanceof Problem && error.code === "model-not-found") throw noSuchRevision(repository, revision);
    throw error;
  }
}

function createdAt(served: ServedModel): string {
  return served.kind === "stored" ? served.record.createdAt : served.fusion.createdAt;
}

function noSuchRevision(repository: string, revision: string): Problem {
  return new Problem("not-found", `${repository} has no revision ${revision}.`, {
    repository,
    revision,
    errorCode: "RevisionNotFound",
  });
}
