import { createMiddleware } from "hono/factory";
import type { AppEnvironment } from "./environment.ts";

/** For whatever is not a page: opened in a browser, it may load and run nothing, and be framed by nobody. */
const NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const YEAR_SECONDS = 31_536_000;

/**
 * Headers that keep browsers from taking an answer for something else than it is. Pages bring a policy of their own.
 * @see https://cheatsheetseries.owasp.org/cheatsheets/HTTP_Headers_Cheat_Sheet.html
 */
export function securityHeaders() {
  return createMiddleware<AppEnvironment>(async (c, next) => {
    await next();
    // The first call makes the headers of an answer that came from elsewhere writable.
    c.header("x-content-type-options", "nosniff");
    const { headers } = c.res;
    headers.set("referrer-policy", "no-referrer");
    headers.set("x-frame-options", "DENY");
    if (!headers.has("content-security-policy")) headers.set("content-security-policy", NOTHING);
    // What any page may fetch, any page may embed, also an isolated one (COEP).
    const isForAnyone = headers.get("access-control-allow-origin") === "*";
    headers.set("cross-origin-resource-policy", isForAnyone ? "cross-origin" : "same-origin");
    if (new URL(c.req.url).protocol === "https:") {
      headers.set("strict-transport-security", `max-age=${YEAR_SECONDS}`);
    }
  });
}
