import { registerActivationKernels } from "./activation-kernels.ts";
import { registerConvolutionKernels } from "./convolution-kernels.ts";
import { registerDenseKernels } from "./dense-kernels.ts";
import { registerLookupKernels } from "./lookup-kernels.ts";
import { registerNormalizationKernels } from "./normalization-kernels.ts";
import { registerPoolingKernels } from "./pooling-kernels.ts";
import { registerSharingKernels } from "./sharing-kernels.ts";
import type { TrainingKernels } from "./training.ts";

/** Puts all kernels for training in place of tfjs's own, or beside them where it has none. Once a thread. */
export function registerTrainingKernels(kernels: TrainingKernels): void {
  registerDenseKernels(kernels);
  registerConvolutionKernels(kernels);
  registerPoolingKernels(kernels);
  registerActivationKernels(kernels);
  registerNormalizationKernels(kernels);
  registerLookupKernels(kernels);
  registerSharingKernels();
}
