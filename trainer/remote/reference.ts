import { aliasName } from "../../shared/api/index.ts";
import { Failure } from "../failure.ts";

/** Something that a worker has: by its id, or by a name. */
export type Reference =
  | { readonly kind: "id"; readonly id: string }
  | { readonly kind: "alias"; readonly name: string; readonly revision: string };

const ID = /^[0-9a-f]{64}$/;
const REVISION = /^(main|v[1-9]\d{0,9}|[0-9a-f]{64})$/;

/**
 * Reads how people name a model: its id, or an alias as `digits`, `@digits`, `team/digits`, `team/digits@v3`.
 * @throws Failure `usage`
 */
export function parseReference(text: string): Reference {
  if (ID.test(text)) return { kind: "id", id: text };
  const [name = "", revision = "main", ...more] = text.replace(/^@/, "").split("@");
  const parsed = aliasName.safeParse(name);
  if (!parsed.success || !REVISION.test(revision) || more.length > 0) {
    throw new Failure(
      "usage",
      `${JSON.stringify(text)} is neither an id (64 hex digits) nor an alias such as digits, team/digits or digits@v3.`,
    );
  }
  return { kind: "alias", name: parsed.data, revision };
}

/** What a file is called that nobody gave a name: `digits`, `digits-v3`, or the id's first digits. */
export function baseNameOf(reference: Reference): string {
  if (reference.kind === "id") return reference.id.slice(0, 12);
  const last = reference.name.split("/").at(-1) ?? reference.name;
  return reference.revision === "main" ? last : `${last}-${reference.revision.slice(0, 12)}`;
}
