/** Builds the action's bundle, which is committed: a runner takes it as it is. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { bundleAction } from "./bundle-action.ts";

const root = join(import.meta.dirname, "../..");
const out = join(import.meta.dirname, "dist");

await mkdir(out, { recursive: true });
for (const { name, text } of await bundleAction(root)) {
  await writeFile(join(out, name), text);
  process.stdout.write(`${(text.length / 1000).toFixed(1).padStart(8)} kB  infra/github-action/dist/${name}\n`);
}
