import * as z from "zod";
import { Problem } from "../problem.ts";
import { mlpSchema } from "./mlp.ts";

/** Key of the architecture in a safetensors file's `__metadata__`. */
export const MODEL_KEY = "edgefuse.model";

/** Every architecture edgefuse can build. A new one is a file beside this and a line here and in `build.ts`. */
export const architectureSchema = z.discriminatedUnion("architecture", [mlpSchema]);

export type Architecture = z.infer<typeof architectureSchema>;

/**
 * Reads the architecture a checkpoint declares.
 * @throws Problem `unknown-architecture` where it declares none, or one we do not know
 */
export function readArchitecture(metadata: Readonly<Record<string, string>>): Architecture {
  const text = metadata[MODEL_KEY];
  if (text === undefined) {
    throw new Problem(
      "unknown-architecture",
      `The checkpoint declares no architecture; its __metadata__ needs ${MODEL_KEY}.`,
    );
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Problem("unknown-architecture", `${MODEL_KEY} is not JSON.`);
  }
  const parsed = architectureSchema.safeParse(value);
  if (!parsed.success) {
    throw new Problem("unknown-architecture", `${MODEL_KEY}: ${z.prettifyError(parsed.error).replaceAll("\n", " ")}`);
  }
  return parsed.data;
}
