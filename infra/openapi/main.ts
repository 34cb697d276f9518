import { writeFile } from "node:fs/promises";
import { relative, resolve } from "node:path";
import { describeApiOffline } from "./describe.ts";

// Writes docs/openapi.json: the API description, for those who read or generate from it without a deployment.
const root = resolve(import.meta.dirname, "../..");
const file = resolve(root, "docs/openapi.json");
await writeFile(file, await describeApiOffline());
process.stdout.write(`wrote ${relative(root, file)}\n`);
