import type { Architecture } from "./architecture.ts";
import { cnnStack } from "./cnn.ts";
import type { ConvolutionalStack } from "./convolutional-stack.ts";
import { lenetStack } from "./lenet.ts";
import { residualBlocks } from "./resnet.ts";
import { vggStack } from "./vgg.ts";

/** A part of a network by its depth. */
export type LayerScope = "first" | "middle" | "last";

/**
 * The tensors of an architecture's first, middle or last layer, as a mask's scope: the layer-wise variant of TNA-PFN
 * (arXiv:2402.01342), where only that layer is held.
 *
 * The layers are those with weights, in order; the middle one of n is number floor(n / 2), counted from 0: the third of the
 * CNN's five, as in the authors' code. Norms belong to the convolution before them. The middle of a ResNet is its second
 * stage, the middle of a transformer its block floor(depth / 2); a transformer's first layer is what makes its tokens.
 */
export function maskScopeOf(
  architecture: Architecture,
  scope: LayerScope,
): { readonly tensors: readonly [string, ...string[]] } {
  switch (scope) {
    case "first":
      return { tensors: firstTensors(architecture) };
    case "middle":
      return { tensors: middleTensors(architecture) };
    case "last":
      return { tensors: ["output/*"] };
  }
}

type Patterns = readonly [string, ...string[]];

function firstTensors(architecture: Architecture): Patterns {
  switch (architecture.architecture) {
    case "mlp":
      return dense(architecture.hidden.length, 0);
    case "cnn":
    case "lenet":
    case "vgg":
      return stackLayer(stackOf(architecture), 0);
    case "resnet":
      return architecture.norm === "none" ? ["stem/*"] : ["stem/*", "stem_norm/*"];
    case "vit":
      return architecture.pooling === "mean"
        ? ["patch_embedding/*", "positions/*"]
        : ["patch_embedding/*", "class_token/*", "positions/*"];
    case "transformer":
      return ["tokens/*", "positions/*"];
  }
}

function middleTensors(architecture: Architecture): Patterns {
  switch (architecture.architecture) {
    case "mlp":
      return dense(architecture.hidden.length, Math.floor((architecture.hidden.length + 1) / 2));
    case "cnn":
    case "lenet":
    case "vgg": {
      const stack = stackOf(architecture);
      return stackLayer(stack, Math.floor((stack.stages.length + stack.hidden.length + 1) / 2));
    }
    case "resnet": {
      const [first = "block_0", ...rest] = residualBlocks(architecture)
        .filter(({ stage }) => stage === 1)
        .map(({ name }) => name);
      return [`${first}/*`, ...rest.map((name) => `${name}/*`)];
    }
    case "vit":
    case "transformer":
      return [`block_${Math.floor(architecture.depth / 2)}/*`];
  }
}

/** Layer `index` of an MLP; the one behind the hidden layers is the output. */
function dense(hidden: number, index: number): Patterns {
  return index < hidden ? [`hidden_${index}/*`] : ["output/*"];
}

function stackLayer({ stages, hidden }: ConvolutionalStack, index: number): Patterns {
  const stage = stages[index];
  if (stage !== undefined) return stage.norm === "none" ? [`conv_${index}/*`] : [`conv_${index}/*`, `norm_${index}/*`];
  return index < stages.length + hidden.length ? [`hidden_${index}/*`] : ["output/*"];
}

function stackOf(architecture: Extract<Architecture, { architecture: "cnn" | "lenet" | "vgg" }>): ConvolutionalStack {
  switch (architecture.architecture) {
    case "cnn":
      return cnnStack(architecture);
    case "lenet":
      return lenetStack(architecture);
    case "vgg":
      return vggStack(architecture);
  }
}
