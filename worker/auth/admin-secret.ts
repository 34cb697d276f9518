import type { Environment } from "../environment.ts";

/** The admin secret; undefined where the deployment has none, and then it accepts nothing but public reads. */
export function adminSecret({ EDGEFUSE_ADMIN_TOKEN: secret }: Environment): string | undefined {
  return secret === undefined || secret.trim() === "" ? undefined : secret;
}
