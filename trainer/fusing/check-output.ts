import { lstat } from "node:fs/promises";
import { Failure } from "../failure.ts";
import { alreadyThere } from "./fuse-to-file.ts";
import { tfjsFiles } from "./tfjs-output.ts";

/**
 * Fails before anything is read; that the names are still free is made sure of at the end.
 * @param output a file, or `model.json` for the TF.js form
 * @throws Failure `usage` where it is a folder, or is there and must stay
 */
export async function checkOutput(output: string, force: boolean): Promise<void> {
  const { modelPath, weightsPath } = tfjsFiles(output) ?? { modelPath: output, weightsPath: output };
  for (const path of new Set([modelPath, weightsPath])) {
    const found = await lstat(path).catch(() => undefined);
    if (found === undefined) continue;
    if (found.isDirectory()) throw new Failure("usage", `${path} is a folder; give the name of a file.`);
    if (!force) throw alreadyThere(path);
  }
}
