import type { TopologyId } from "../../shared/identity.ts";
import { sourceOfBytes } from "../../shared/fusion/sharded-source.ts";
import { Problem } from "../../shared/problem.ts";
import { convertTfjs, type TfjsCheckpoint } from "../../shared/tfjs-form/index.ts";
import type { FormPart } from "./parse.ts";

/** The files of a TF.js model in a form: what `model.save("https://…")` posts, or each file under its name. */
export class TfjsForm {
  readonly #files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;

  constructor(parts: readonly FormPart[]) {
    this.#files = new Map(parts.map(({ name, fileName, data }) => [lastOf(fileName ?? name), data]));
  }

  /** @throws Problem `malformed-request` where it is missing */
  get modelJson(): Uint8Array<ArrayBuffer> {
    return this.#need("model.json");
  }

  /**
   * The model as a checkpoint.
   * @param topology where it is kept
   * @throws Problem `malformed-request` where a file is missing, and what `convertTfjs` throws
   */
  checkpoint(topology: TopologyId | undefined): Promise<TfjsCheckpoint> {
    const open = async (file: string) => {
      const data = this.#need(file);
      return { source: sourceOfBytes(data), size: data.length };
    };
    return convertTfjs(this.modelJson, open, topology);
  }

  #need(file: string): Uint8Array<ArrayBuffer> {
    const data = this.#files.get(lastOf(file));
    if (data !== undefined) return data;
    throw new Problem("malformed-request", `The form has no file ${file}.`, { file });
  }
}

/** A name without folders. */
function lastOf(path: string): string {
  return path.split("/").at(-1) ?? "";
}
