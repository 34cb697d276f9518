import { homedir } from "node:os";
import { join } from "node:path";

/** Where downloads are kept: EDGEFUSE_CACHE, else the XDG cache folder (XDG Base Directory Specification 0.8). */
export function cacheDirectory(environment: Readonly<Record<string, string | undefined>>): string {
  const own = environment["EDGEFUSE_CACHE"];
  if (own) return own;
  const xdg = environment["XDG_CACHE_HOME"];
  return join(xdg || join(homedir(), ".cache"), "edgefuse");
}
