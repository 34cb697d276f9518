import * as z from "zod";
import { modelId } from "../identity.ts";
import { gateForm } from "./gates.ts";
import { pageOf, pageQuery } from "./paging.ts";

/** First parts of addresses that mean something else, here or to Hugging Face's clients. */
const RESERVED = new Set([
  ...["v1", "api", "models", "docs", "healthz", "openapi.json"],
  ...["datasets", "spaces", "buckets", "kernels", "model", "dataset", "space", "bucket", "kernel"],
]);

const SHA256 = /^[0-9a-f]{64}$/i;

/**
 * What people call a model: `digits` or `team/digits`. It is a Hugging Face repository too, so it may have one slash.
 * In `/v1/aliases/{name}` the slash is written `%2F`.
 */
export const aliasName = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}(\/[A-Za-z0-9][A-Za-z0-9._-]{0,63})?$/,
    "1 to 64 of letters, digits, . _ -, beginning with a letter or digit; perhaps a second such part after a slash",
  )
  .refine((name) => !name.includes(".."), "no two dots in a row")
  .refine((name) => !RESERVED.has(name.split("/")[0]?.toLowerCase() ?? ""), "a first part that is not reserved")
  .refine((name) => !name.split("/").some((part) => SHA256.test(part)), "not the form of a model's id")
  .brand<"AliasName">();

export type AliasName = z.infer<typeof aliasName>;

const aliasVersion = z.int().min(1);

/** Where an alias shall point. */
export const putAliasRequest = z
  .strictObject({
    model: modelId,
    protected: z
      .boolean()
      .optional()
      .describe(
        "A protected alias moves only to models that passed a gate. Where it is left out, it stays as it is; to end a " +
          "protection takes the scope `admin`",
      ),
    gate: gateForm
      .nullable()
      .optional()
      .describe(
        "What every model must pass that a protected alias moves to: whoever moves it starts the measuring. Where it is " +
          "left out, it stays as it is; to change or end one (`null`) takes the scope `admin`",
      ),
  })
  .refine(({ gate, protected: isProtected }) => gate === undefined || gate === null || isProtected !== false, {
    error: "an alias with a gate is protected",
    path: ["protected"],
  })
  .meta({ id: "PutAliasRequest" });

export const rollbackAliasRequest = z
  .strictObject({
    version: aliasVersion
      .optional()
      .describe("Where the alias shall point again; where it is left out, to the version before the current one"),
  })
  .meta({ id: "RollbackAliasRequest" });

/** An alias as it is. Its `ETag` is its version: `"v3"`. */
export const aliasDescription = z
  .object({
    name: aliasName,
    model: modelId,
    version: aliasVersion,
    protected: z.boolean(),
    gate: gateForm.nullable().describe("What a model must pass to which the alias moves"),
    createdAt: z.string().describe("RFC 3339"),
    updatedAt: z.string(),
    updatedBy: z.string().describe("The principal that moved it last"),
    links: z.object({
      self: z.string(),
      history: z.string(),
      model: z.string().describe("Redirects to the file of the model that the alias points at"),
      repository: z.string().describe("The name of the repository that Hugging Face's clients take"),
    }),
  })
  .meta({ id: "Alias" });

/** One version of an alias. */
export const aliasChange = z
  .object({
    version: aliasVersion,
    model: modelId.nullable().describe("null where the alias was deleted"),
    action: z.enum(["create", "move", "rollback", "delete"]),
    restored: aliasVersion.nullable().describe("Of a rollback: the version it brought back"),
    protected: z.boolean(),
    createdAt: z.string(),
    createdBy: z.string(),
  })
  .meta({ id: "AliasChange" });

export const aliasPage = pageOf(aliasDescription).meta({ id: "AliasPage" });
export const aliasHistoryPage = pageOf(aliasChange).meta({ id: "AliasHistoryPage" });

/** Query of the list of aliases. */
export const aliasQuery = pageQuery.extend({
  model: modelId.optional().describe("Only aliases that point at this model"),
});

export type PutAliasRequest = z.input<typeof putAliasRequest>;
export type RollbackAliasRequest = z.input<typeof rollbackAliasRequest>;
export type AliasDescription = z.infer<typeof aliasDescription>;
export type AliasChange = z.infer<typeof aliasChange>;
