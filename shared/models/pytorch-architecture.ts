import { Problem } from "../problem.ts";
import type { Architecture } from "./architecture.ts";

/**
 * An architecture as PyTorch computes it. Its convolutions pad all round, where TensorFlow's `same` pads below and to the
 * right only at stride 2 and an even size; of ours, only the residual network has such convolutions.
 * @throws Problem `incompatible-weights` for a shortcut that PyTorch's networks make in another way
 */
export function pytorchArchitecture(architecture: Architecture): Architecture {
  if (architecture.architecture !== "resnet") return architecture;
  if (architecture.shortcut === "pad") {
    throw new Problem(
      "incompatible-weights",
      "A ResNet with padded shortcuts cannot be read in PyTorch's layout: where its zero channels stand differs from " +
        "one implementation to the next. Use one whose shortcuts are convolutions.",
    );
  }
  return { ...architecture, padding: "symmetric" };
}
