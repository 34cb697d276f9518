import * as z from "zod";
import { topologyId } from "../identity.ts";
import { architectureSchema } from "../models/architecture.ts";

/** Most names that a map may hold, and how long one may be: as many as a safetensors file of the largest network has. */
const MOST_NAMES = 20_000;
const LONGEST_NAME = 1024;

/** How a checkpoint's tensors lie: as TensorFlow has them (ours), or as PyTorch's `state_dict` does. */
export const weightLayout = z.enum(["tensorflow", "pytorch"]);

/** Our name of each weight to the name of the tensor that holds it. */
export const weightNames = z
  .record(z.string().min(1).max(LONGEST_NAME), z.string().min(1).max(LONGEST_NAME))
  .refine((names) => Object.keys(names).length <= MOST_NAMES, { error: `at most ${MOST_NAMES} names` });

/**
 * How weights are to be read, as a question or a file's metadata (`edgefuse.model`, `edgefuse.topology`,
 * `edgefuse.layout`, `edgefuse.names`) say it. What is left out comes from the metadata.
 */
export const evaluationForm = z
  .strictObject({
    architecture: architectureSchema.optional().describe("An architecture of ours, instead of the one in the metadata"),
    topology: topologyId.optional().describe("A topology of /v1/topologies, instead of an architecture"),
    layout: weightLayout
      .optional()
      .describe(
        "`pytorch`: dense kernels [out, in], convolutions [out, in, h, w], and rows behind a flattened image in the order " +
          "channel, row, column",
      ),
    names: weightNames
      .optional()
      .describe("Our name of a weight to the name of its tensor; the usual names need no entry, see docs/probing.md"),
  })
  .refine(({ architecture, topology }) => architecture === undefined || topology === undefined, {
    error: "name either an architecture or a topology",
    path: ["topology"],
  })
  .refine(({ topology, layout }) => topology === undefined || layout !== "pytorch", {
    error: "a TF.js topology takes weights in TensorFlow's layout",
    path: ["layout"],
  })
  .meta({ id: "EvaluationForm" });

/** How weights are to be read, as a caller writes it. */
export type EvaluationForm = z.infer<typeof evaluationForm>;
export type WeightLayout = z.infer<typeof weightLayout>;
