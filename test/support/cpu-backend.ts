import { MathBackendCPU } from "@tensorflow/tfjs-backend-cpu";
import * as tf from "@tensorflow/tfjs-core";

/** Makes tfjs's plain JavaScript backend the current one: slow, complete, and the measure for all others. */
export async function useCpuBackend(): Promise<void> {
  await tf.setBackend("cpu");
  if (!(tf.backend() instanceof MathBackendCPU)) throw new Error("the CPU backend did not start");
}
