import type { TensorInfo } from "../safetensors/index.ts";
import type { Architecture } from "./architecture.ts";
import { cnnStack } from "./cnn.ts";
import type { ConvolutionalStack } from "./convolutional-stack.ts";
import { lenetStack } from "./lenet.ts";
import { resnetNames } from "./pytorch-resnet-names.ts";
import { type SequenceShape, sequenceNames } from "./pytorch-sequence.ts";
import type { PytorchSource } from "./pytorch-tensors.ts";
import { transformerNames } from "./pytorch-transformer-names.ts";
import { vggStack } from "./vgg.ts";

/**
 * Where the weights of an architecture are in a `state_dict` as it is usually written; a weight is left out where that
 * does not decide. The tables are in the files beside this one; `docs/pytorch.md` shows them.
 */
export function pytorchNames(
  architecture: Architecture,
  tensors: readonly TensorInfo[],
): ReadonlyMap<string, PytorchSource> {
  switch (architecture.architecture) {
    case "mlp": {
      const dense = [...architecture.hidden.map((_, index) => `hidden_${index}`), "output"];
      return sequenceNames({ convolutions: 0, norm: "none", dense }, tensors);
    }
    case "cnn":
      return sequenceNames(sequenceOf(cnnStack(architecture)), tensors);
    case "lenet":
      return sequenceNames(sequenceOf(lenetStack(architecture)), tensors);
    case "vgg":
      return sequenceNames(sequenceOf(vggStack(architecture)), tensors);
    case "resnet":
      return resnetNames(architecture, tensors);
    case "vit":
    case "transformer":
      return transformerNames(architecture, tensors);
  }
}

function sequenceOf({ stages, hidden }: ConvolutionalStack): SequenceShape {
  return {
    convolutions: stages.length,
    norm: stages[0]?.norm ?? "none",
    dense: [...hidden.map((_, index) => `hidden_${stages.length + index}`), "output"],
  };
}
