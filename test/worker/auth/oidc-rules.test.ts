import { afterEach, describe, expect, it, vi } from "vitest";
import {
  matchesGlob,
  mismatchOf,
  type OidcRule,
  oidcRulesOf,
  parseOidcRules,
} from "../../../worker/auth/oidc-rules.ts";
import type { Environment } from "../../../worker/environment.ts";

afterEach(() => vi.restoreAllMocks());

const rule = (more: object = {}) => ({
  issuer: "https://token.actions.githubusercontent.com",
  audience: "edgefuse",
  repository: "owner/name",
  scopes: ["write"],
  ...more,
});
const parsed = (more: object = {}): OidcRule => {
  const [first] = parseOidcRules([rule(more)]);
  if (first === undefined) throw new Error("no rule");
  return first;
};

describe("a glob", () => {
  it.each([
    ["refs/heads/main", "refs/heads/main", true],
    ["refs/heads/main", "refs/heads/main2", false],
    ["refs/heads/main", "xrefs/heads/main", false],
    ["refs/heads/*", "refs/heads/release", true],
    ["refs/heads/*", "refs/heads/release/1", false],
    ["refs/heads/**", "refs/heads/release/1", true],
    ["refs/tags/v*.*", "refs/tags/v1.2", true],
    ["refs/tags/v*.*", "refs/tags/v12", false],
    ["refs/heads/a.c", "refs/heads/abc", false],
    ["refs/heads/(a|b)+", "refs/heads/a", false],
    ["refs/heads/main", "refs/heads/main\nrefs/heads/x", false],
    ["refs/heads/*", undefined, false],
  ])("%s and %s: %s", (glob, text, isMatch) => {
    expect(matchesGlob(glob, text)).toBe(isMatch);
  });
});

describe("a rule", () => {
  const claims = {
    aud: "edgefuse",
    repository: "owner/name",
    repository_id: "12",
    repository_owner_id: "34",
    ref: "refs/heads/main",
    job_workflow_ref: "owner/name/.github/workflows/train.yml@refs/heads/main",
  };

  it.each([
    [{}, {}, undefined],
    [{ aud: ["other", "edgefuse"] }, {}, undefined],
    [{ aud: "edgefuse2" }, {}, "aud"],
    [{ aud: undefined }, {}, "aud"],
    [{ repository: "owner/name2" }, {}, "repository"],
    [{ repository: "Owner/name" }, {}, "repository"],
    [{ repository: undefined }, {}, "repository"],
    [{ repository: "owner/other" }, { repository: "owner/*" }, undefined],
    [{ repository: "owner2/other" }, { repository: "owner/*" }, "repository"],
    [{ repository: "owner/a/b" }, { repository: "owner/*" }, "repository"],
    [{}, { repositoryId: "12", repositoryOwnerId: "34" }, undefined],
    [{ repository_id: "13" }, { repositoryId: "12" }, "repository_id"],
    [{ repository_owner_id: 34 }, { repositoryOwnerId: "34" }, "repository_owner_id"],
    [{}, { refs: ["refs/tags/*", "refs/heads/main"] }, undefined],
    [{ ref: "refs/pull/1/merge" }, { refs: ["refs/heads/*"] }, "ref"],
    [{ ref: undefined }, { refs: ["refs/heads/*"] }, "ref"],
    [{}, { workflows: ["owner/name/.github/workflows/*.yml"] }, undefined],
    [{}, { workflows: ["owner/name/.github/workflows/train.yml@refs/heads/main"] }, undefined],
    [{}, { workflows: ["owner/name/.github/workflows/train.yml@refs/tags/*"] }, "job_workflow_ref"],
    [{}, { workflows: ["owner/name/.github/workflows/other.yml"] }, "job_workflow_ref"],
    [{ job_workflow_ref: undefined }, { workflows: ["**"] }, "job_workflow_ref"],
  ])("with claims %j and terms %j fails by %s", (differing, terms, mismatch) => {
    expect(mismatchOf(parsed(terms), { ...claims, ...differing })).toBe(mismatch);
  });

  it("has GitHub's address of keys, unless it names one", () => {
    expect(parsed().jwksUri).toBe("https://token.actions.githubusercontent.com/.well-known/jwks");
    expect(parsed({ jwksUri: "https://keys.example/x" }).jwksUri).toBe("https://keys.example/x");
  });

  it.each([
    { jwksUri: "http://keys.example/x" },
    { jwksUri: "file:///etc/passwd" },
    { issuer: "http://issuer.example" },
    { repository: "owner" },
    { repository: "*/name" },
    { repository: "*" },
    { repository: "owner/na*" },
    { scopes: [] },
    { scopes: ["everything"] },
    { audience: "" },
    { refs: [] },
    { reff: ["refs/heads/main"] },
  ])("is refused with %j, and then nobody is let in", (more) => {
    expect(() => parseOidcRules([rule(more)])).toThrow();
    const log = vi.spyOn(console, "error").mockImplementation(() => undefined);
    const source = JSON.stringify([rule(), rule(more)]);
    const environment = { EDGEFUSE_OIDC_RULES: source } as unknown as Environment;
    expect(oidcRulesOf(environment)).toEqual([]);
    expect(oidcRulesOf(environment)).toEqual([]);
    expect(log.mock.calls).toEqual([[expect.stringContaining("EDGEFUSE_OIDC_RULES")]]);
  });

  it.each(["{", "null", "{}", 5])("is refused as %j", (source) => {
    vi.spyOn(console, "error").mockImplementation(() => undefined);
    expect(oidcRulesOf({ EDGEFUSE_OIDC_RULES: source } as unknown as Environment)).toEqual([]);
  });

  it("may be absent", () => {
    const log = vi.spyOn(console, "error");
    for (const source of [undefined, ""]) {
      expect(oidcRulesOf({ EDGEFUSE_OIDC_RULES: source } as unknown as Environment)).toEqual([]);
    }
    expect(log).not.toHaveBeenCalled();
  });
});
