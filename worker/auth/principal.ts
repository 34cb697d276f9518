import { Problem } from "../../shared/problem.ts";
import type { AppContext } from "../environment.ts";
import { ALL_SCOPES, expandScopes, type Scope } from "./scopes.ts";

/** Who asks, as far as it was proved. `id` is for logs, rate limits and `createdBy`; it is no secret. */
export interface Principal {
  readonly kind: "admin" | "token" | "oidc" | "anonymous" | "link";
  readonly id: string;
  readonly scopes: ReadonlySet<Scope>;
  /** When what proved it ends, where that is known. */
  readonly expiresAt?: Date;
}

export const ANONYMOUS: Principal = { kind: "anonymous", id: "anonymous", scopes: expandScopes([]) };

/** Whoever has the deployment's admin secret. */
export const ADMIN: Principal = { kind: "admin", id: "admin", scopes: ALL_SCOPES };

/** Whether the principal of this request has a scope. */
export function hasScope(c: AppContext, scope: Scope): boolean {
  return c.get("principal").scopes.has(scope);
}

/**
 * For what a route's own scope does not cover, such as publishing a private model while fusing.
 * @throws Problem `insufficient-scope`
 */
export function requireScope(c: AppContext, scope: Scope): void {
  if (!hasScope(c, scope)) throw insufficientScope([scope]);
}

/** @param anyOf scopes of which one would do */
export function insufficientScope(anyOf: readonly Scope[]): Problem {
  return new Problem("insufficient-scope", `This takes a token with the scope ${anyOf.join(" or ")}.`, {
    scopes: anyOf,
  });
}
