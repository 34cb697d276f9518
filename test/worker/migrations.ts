import { env } from "cloudflare:workers";
import catalog from "../../infra/migrations/0001_catalog.sql?raw";
import fusions from "../../infra/migrations/0002_fusions.sql?raw";
import type { Environment } from "../../worker/environment.ts";

/** The bindings of this test's worker. */
export const bindings = env as unknown as Environment;

/** Gives the test's empty catalog its tables. */
export async function migrate(): Promise<void> {
  const statements = `${catalog};${fusions}`.replaceAll(/--.*$/gm, "").split(";");
  for (const statement of statements) {
    if (statement.trim() !== "") await bindings.CATALOG.prepare(statement).run();
  }
}
