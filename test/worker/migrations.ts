import { env } from "cloudflare:workers";
import type { Environment } from "../../worker/environment.ts";

/** Every migration there is, in order. */
const migrations = import.meta.glob<string>("../../infra/migrations/*.sql", {
  query: "?raw",
  import: "default",
  eager: true,
});

/** The bindings of this test's worker. */
export const bindings = env as unknown as Environment;

/** Gives the test's empty catalog its tables. */
export async function migrate(): Promise<void> {
  const files = Object.keys(migrations).sort();
  const statements = files
    .map((file) => migrations[file] ?? "")
    .join(";")
    .replaceAll(/--.*$/gm, "")
    .split(";");
  for (const statement of statements) {
    if (statement.trim() !== "") await bindings.CATALOG.prepare(statement).run();
  }
}
