import { createMiddleware } from "hono/factory";
import { Problem } from "../../shared/problem.ts";
import type { AppEnvironment } from "../environment.ts";
import { identify } from "./credentials.ts";
import { ANONYMOUS, insufficientScope } from "./principal.ts";
import { requirementsOf } from "./route-scopes.ts";

/**
 * Finds out who asks, and lets pass whom the route's line in `ROUTE_SCOPES` lets pass. Sets `principal`.
 *
 * On a public route a credential that proves nothing is no hindrance: Hub clients send theirs everywhere. Why it proves
 * nothing is kept, for a private model to say.
 */
export function authenticate({ now }: { now(): Date }) {
  return createMiddleware<AppEnvironment>(async (c, next) => {
    c.set("principal", ANONYMOUS);
    const requirements = requirementsOf(c.req.raw.method, c.req.path);
    const isPublic = requirements.every((requirement) => requirement === "public");
    if (isPublic) {
      if (c.req.header("authorization") !== undefined) {
        try {
          c.set("principal", await identify(c, now()));
        } catch (error) {
          if (!(error instanceof Problem)) throw error;
          c.set("refusal", error);
        }
      }
    } else {
      const principal = await identify(c, now());
      c.set("principal", principal);
      for (const requirement of requirements) {
        if (requirement !== "public" && !requirement.some((scope) => principal.scopes.has(scope))) {
          throw insufficientScope(requirement);
        }
      }
    }
    await next();
  });
}
