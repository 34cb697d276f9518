import { Problem } from "../../shared/problem.ts";
import type { Environment } from "../environment.ts";

/** Names that never are on the Internet (RFC 6761, RFC 6762, RFC 8375, RFC 9476), or are a cloud's own. */
const PRIVATE_SUFFIXES = [
  "localhost",
  "local",
  "internal",
  "intranet",
  "lan",
  "home",
  "corp",
  "home.arpa",
  "test",
  "invalid",
  "onion",
  "alt",
];

/**
 * Whether a callback may go to an address: to a name on the Internet, over HTTPS. Addresses in numbers are refused, all of
 * them: few servers have a certificate for one, and whoever names one most often means a machine of a private network.
 * A name that leads to such a machine leads nowhere from a Worker.
 * @throws Problem `malformed-request`
 */
export function checkCallback(environment: Pick<Environment, "EDGEFUSE_CALLBACKS">, address: string): void {
  const url = new URL(address);
  if (url.username !== "" || url.password !== "") throw refused("has no user and no password");
  if (environment.EDGEFUSE_CALLBACKS === "local") return;
  if (url.protocol !== "https:") throw refused("begins with https://");
  const host = url.hostname.toLowerCase().replace(/\.$/, "");
  // URL parsers bring every spelling of an IPv4 address into this form.
  const isNumeric = host.startsWith("[") || /^[\d.]+$/.test(host);
  const isPrivate = PRIVATE_SUFFIXES.some((suffix) => host === suffix || host.endsWith(`.${suffix}`));
  if (isNumeric || isPrivate || !host.includes(".")) throw refused("names a host on the Internet");
}

function refused(what: string): Problem {
  return new Problem("malformed-request", `The address of a callback ${what}.`, { field: "spec.callback" });
}
