import * as z from "zod";
import { pageOf } from "./paging.ts";

/** What a principal may do. They do not imply each other, except `admin`, which implies all. */
export const SCOPES = ["read", "write", "fuse", "probe", "publish", "jobs", "agent", "admin"] as const;

export const scopeSchema = z
  .enum(SCOPES)
  .describe(
    "`read`: whatever is not public; `write`: upload and delete checkpoints, shards, datasets; `fuse`: fuse, and cancel " +
      "or delete what was fused; `probe`: measure; `publish`: move aliases, make private models public; `jobs`: post, " +
      "watch and cancel jobs; `agent`: take jobs, and report on those that were taken; `admin`: all, tokens included",
  );

export type Scope = z.infer<typeof scopeSchema>;

export const tokenId = z
  .string()
  .regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, "a UUID in lower case")
  .brand<"TokenId">();

export type TokenId = z.infer<typeof tokenId>;

/** What tokens look like: `ef_` and 32 random bytes in base64url. */
export const TOKEN_PATTERN = /^ef_[A-Za-z0-9_-]{43}$/;

const DAY_SECONDS = 86_400;

/** A bearer token to be made. */
export const createTokenRequest = z
  .strictObject({
    name: z.string().trim().min(1).max(100).describe("For people: who or what uses it"),
    scopes: z.array(scopeSchema).min(1).max(SCOPES.length),
    expiresIn: z
      .int()
      .min(60)
      .max(366 * DAY_SECONDS)
      .nullable()
      .default(90 * DAY_SECONDS)
      .describe("Seconds from now; null for a token that does not expire"),
  })
  .meta({ id: "CreateTokenRequest" });

/** What is kept of a token: everything but the token. */
export const tokenDescription = z
  .object({
    id: tokenId,
    name: z.string(),
    scopes: z.array(scopeSchema),
    createdAt: z.string().describe("RFC 3339"),
    createdBy: z.string().describe("The principal that made it"),
    expiresAt: z.string().nullable(),
    lastUsedAt: z.string().nullable().describe("To within some minutes"),
    revokedAt: z.string().nullable(),
  })
  .meta({ id: "Token" });

export const createdToken = tokenDescription
  .extend({ token: z.string().describe("Shown this once, and kept by nobody but you") })
  .meta({ id: "CreatedToken" });

export const tokenPage = pageOf(tokenDescription).meta({ id: "TokenPage" });

export type CreateTokenRequest = z.input<typeof createTokenRequest>;
export type TokenDescription = z.infer<typeof tokenDescription>;
export type CreatedToken = z.infer<typeof createdToken>;
