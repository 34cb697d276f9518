import { readFile } from "node:fs/promises";
import { isDeepStrictEqual } from "node:util";
import { parseAllDocuments, type SchemaOptions } from "yaml";

/**
 * The documents of a YAML file. Tools read YAML by different versions of it, so a file that means something else by
 * another version (`on`, `0o17`, `12:30`) is refused, and so are duplicate keys, aliases that lead nowhere, unknown tags.
 */
export function parseYaml(text: string): unknown[] {
  const modern = documentsOf(text, "1.2");
  const old = documentsOf(text, "1.1");
  if (!isDeepStrictEqual(modern, old)) throw new Error("YAML 1.1 and 1.2 read this differently; put it in quotes");
  return modern;
}

export async function readYaml(path: string): Promise<unknown[]> {
  try {
    return parseYaml(await readFile(path, "utf8"));
  } catch (error) {
    throw new Error(`${path}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

function documentsOf(text: string, version: "1.1" | "1.2"): unknown[] {
  const schema: SchemaOptions["schema"] = version === "1.1" ? "yaml-1.1" : "core";
  const documents = parseAllDocuments(text, { version, schema, strict: true, uniqueKeys: true });
  if (!Array.isArray(documents)) return [];
  return documents.map((document) => {
    const [problem] = [...document.errors, ...document.warnings];
    if (problem !== undefined) throw problem;
    return document.toJS() as unknown;
  });
}
