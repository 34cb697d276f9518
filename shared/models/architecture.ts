import * as z from "zod";
import { Problem } from "../problem.ts";
import { cnnSchema } from "./cnn.ts";
import { lenetSchema } from "./lenet.ts";
import { mlpSchema } from "./mlp.ts";
import { resnetSchema } from "./resnet.ts";
import { transformerSchema } from "./transformer.ts";
import { vggSchema } from "./vgg.ts";
import { vitSchema } from "./vit.ts";

/** Key of the architecture in a safetensors file's `__metadata__`. */
export const MODEL_KEY = "edgefuse.model";

/** Every architecture edgefuse can build. A new one is a file beside this and a line here and in `build.ts`. */
export const architectureSchema = z
  .discriminatedUnion("architecture", [
    mlpSchema,
    cnnSchema,
    lenetSchema,
    vggSchema,
    resnetSchema,
    vitSchema,
    transformerSchema,
  ])
  .meta({ id: "Architecture" });

/** An architecture with all its options; the schema fills in the defaults. */
export type Architecture = z.infer<typeof architectureSchema>;

/** Shape of one sample, such as [28, 28, 1]; [length] for tokens. */
export function sampleShapeOf(architecture: Architecture): readonly number[] {
  return architecture.architecture === "transformer" ? [architecture.length] : architecture.input;
}

/** Labels a sample has: 1, or one a position where the logits are [batch, length, classes]. */
export function labelsPerSampleOf(architecture: Architecture): number {
  const perPosition = architecture.architecture === "transformer" && architecture.pooling === "none";
  return perPosition ? architecture.length : 1;
}

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
