import * as z from "zod";
import { mlpSchema, type Mlp } from "../models/mlp.ts";
import type { TensorInfo } from "../safetensors/index.ts";

const layer = z.object({ class_name: z.string(), config: z.record(z.string(), z.unknown()) });
const sequential = z.object({
  class_name: z.literal("Sequential"),
  config: z.union([z.object({ layers: z.array(layer) }), z.array(layer).transform((layers) => ({ layers }))]),
});

/**
 * The architecture of ours that a Keras topology describes, if it is one: what `buildModel` makes, layer for layer and name
 * for name, with weights of the shapes it needs.
 * @param topology `modelTopology` of a `model.json`
 */
export function architectureOf(topology: unknown, tensors: readonly TensorInfo[]): Mlp | undefined {
  const wrapped = z.object({ model_config: z.unknown() }).safeParse(topology);
  const parsed = sequential.safeParse(
    wrapped.success && wrapped.data.model_config ? wrapped.data.model_config : topology,
  );
  if (!parsed.success) return undefined;
  const { layers } = parsed.data.config;
  const [first] = layers;
  const input = first?.config["batch_input_shape"];
  const flattens = first?.class_name === "Flatten";
  const dense = flattens ? layers.slice(1) : layers;
  const output = dense.at(-1);
  // Flat samples come without a layer that flattens.
  if (output === undefined || !Array.isArray(input) || input.length > 2 !== flattens) return undefined;
  const isMlp = dense.every(({ class_name: kind, config }, index) => {
    const last = index === dense.length - 1;
    return (
      kind === "Dense" &&
      config["name"] === (last ? "output" : `hidden_${index}`) &&
      config["activation"] === (last ? "linear" : "relu") &&
      config["use_bias"] === true
    );
  });
  if (!isMlp) return undefined;
  const candidate = mlpSchema.safeParse({
    architecture: "mlp",
    input: input.slice(1),
    hidden: dense.slice(0, -1).map(({ config }) => config["units"]),
    classes: output.config["units"],
  });
  return candidate.success && fits(candidate.data, tensors) ? candidate.data : undefined;
}

/** Whether the weights are those of the architecture, no more and no fewer. */
function fits({ input, hidden, classes }: Mlp, tensors: readonly TensorInfo[]): boolean {
  const units = [input.reduce((product, size) => product * size, 1), ...hidden, classes];
  const expected = new Map<string, string>();
  for (const [index, count] of units.slice(1).entries()) {
    const name = index === hidden.length ? "output" : `hidden_${index}`;
    expected.set(`${name}/kernel`, `${units[index]},${count}`);
    expected.set(`${name}/bias`, `${count}`);
  }
  return tensors.length === expected.size && tensors.every(({ name, shape }) => expected.get(name) === shape.join());
}
