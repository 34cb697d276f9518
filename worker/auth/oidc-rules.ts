import * as z from "zod";
import { scopeSchema } from "../../shared/api/tokens.ts";
import type { Environment } from "../environment.ts";

const GLOB = z.string().min(1).max(400);

/** Keys that come over plain HTTP prove nothing, unless they come from this very machine, as in tests. */
const keysAddress = z.url().refine((text) => {
  const { protocol, hostname } = new URL(text);
  return protocol === "https:" || (protocol === "http:" && ["127.0.0.1", "localhost", "[::1]"].includes(hostname));
}, "an https address");

/** Which identities of an OpenID Connect issuer, as of GitHub Actions, are let in, and for what. */
const oidcRule = z
  .strictObject({
    issuer: z.url(),
    audience: z.string().min(1),
    /** Where the issuer's keys are; where it is left out, at `<issuer>/.well-known/jwks`, as GitHub's are. */
    jwksUri: keysAddress.optional(),
    repository: z.string().regex(/^[\w.-]+\/([\w.-]+|\*)$/, "`owner/name`, or `owner/*`"),
    /** Numbers that stay when a name is given to someone else. */
    repositoryId: z.string().regex(/^\d+$/).optional(),
    repositoryOwnerId: z.string().regex(/^\d+$/).optional(),
    /** Globs of refs, such as `refs/heads/main`; any where left out. */
    refs: z.array(GLOB).min(1).optional(),
    /** Globs of workflow files, such as `owner/name/.github/workflows/train.yml`, with or without `@<ref>`. */
    workflows: z.array(GLOB).min(1).optional(),
    scopes: z.array(scopeSchema).min(1),
  })
  .transform((rule) => ({
    ...rule,
    jwksUri: rule.jwksUri ?? keysAddress.parse(`${rule.issuer.replace(/\/$/, "")}/.well-known/jwks`),
  }));

export type OidcRule = z.infer<typeof oidcRule>;

let parsed: { source: unknown; rules: readonly OidcRule[] } | undefined;

/** The rules of this deployment. Ones that are not valid let nobody in, and say so in the log. */
export function oidcRulesOf({ EDGEFUSE_OIDC_RULES: source }: Environment): readonly OidcRule[] {
  if (parsed !== undefined && parsed.source === source) return parsed.rules;
  let rules: readonly OidcRule[] = [];
  try {
    if (source !== undefined && source !== "") rules = parseOidcRules(source);
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    console.error(
      JSON.stringify({ level: "error", code: "invalid-configuration", variable: "EDGEFUSE_OIDC_RULES", detail }),
    );
  }
  parsed = { source, rules };
  return rules;
}

/**
 * @param source the JSON text, or what it says
 * @throws SyntaxError, ZodError
 */
export function parseOidcRules(source: unknown): readonly OidcRule[] {
  return z.array(oidcRule).parse(typeof source === "string" ? JSON.parse(source) : source);
}

/**
 * What an identity gets wrong about a rule.
 * @param claims of a token whose signature, issuer and times have been verified
 * @returns undefined where the rule lets it in
 */
export function mismatchOf(rule: OidcRule, claims: Readonly<Record<string, unknown>>): string | undefined {
  const { aud, repository, repository_id, repository_owner_id, ref, job_workflow_ref } = claims;
  if (aud !== rule.audience && !(Array.isArray(aud) && aud.includes(rule.audience))) return "aud";
  if (typeof repository !== "string" || !matchesRepository(rule.repository, repository)) return "repository";
  if (rule.repositoryId !== undefined && repository_id !== rule.repositoryId) return "repository_id";
  if (rule.repositoryOwnerId !== undefined && repository_owner_id !== rule.repositoryOwnerId) {
    return "repository_owner_id";
  }
  if (rule.refs !== undefined && !rule.refs.some((glob) => matchesGlob(glob, ref))) return "ref";
  if (rule.workflows !== undefined && !rule.workflows.some((glob) => matchesWorkflow(glob, job_workflow_ref))) {
    return "job_workflow_ref";
  }
  return undefined;
}

function matchesRepository(allowed: string, repository: string): boolean {
  if (!allowed.endsWith("/*")) return repository === allowed;
  return repository.startsWith(allowed.slice(0, -1)) && repository.split("/").length === 2;
}

/** A glob without `@` is about the file, whatever ref it is taken from. */
function matchesWorkflow(glob: string, workflow: unknown): boolean {
  if (typeof workflow !== "string") return false;
  return matchesGlob(glob, glob.includes("@") ? workflow : workflow.split("@")[0]);
}

/** As GitHub's own filters: `*` stays within a segment, `**` does not, and everything else is itself. */
export function matchesGlob(glob: string, text: unknown): boolean {
  if (typeof text !== "string") return false;
  const pattern = glob
    .split(/(\*+)/)
    .map((part) => {
      if (part === "*") return "[^/]*";
      return part.startsWith("*") ? ".*" : part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
    })
    .join("");
  return new RegExp(`^${pattern}$`).test(text);
}
