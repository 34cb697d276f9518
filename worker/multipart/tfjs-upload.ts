import { sourceOfBytes } from "../../shared/fusion/sharded-source.ts";
import { Problem } from "../../shared/problem.ts";
import { convertTfjs, type TfjsCheckpoint } from "../../shared/tfjs-form/index.ts";
import type { FormPart } from "./parse.ts";

/**
 * The TF.js model in a form: what `model.save("https://…")` posts, or `model.json` and its weight files under their
 * names.
 * @throws Problem `malformed-request` where a file is missing, and what `convertTfjs` throws
 */
export async function tfjsCheckpointOf(parts: readonly FormPart[]): Promise<TfjsCheckpoint> {
  const files = new Map(parts.map(({ name, fileName, data }) => [(fileName ?? name).split("/").at(-1) ?? "", data]));
  const need = (file: string) => {
    const data = files.get(file.split("/").at(-1) ?? "");
    if (data !== undefined) return data;
    throw new Problem("malformed-request", `The form has no file ${file}.`, { file });
  };
  return convertTfjs(need("model.json"), async (file) => {
    const data = need(file);
    return { source: sourceOfBytes(data), size: data.length };
  });
}
