import type * as tf from "@tensorflow/tfjs-core";
import type { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import { Failure } from "../../failure.ts";

type BackendClass = typeof WebGPUBackend;

/**
 * tfjs's WebGPU backend on a device of our own, whose results are never garbage: a GPU reports a failed allocation or a
 * lost device beside the commands, and tfjs would go on with whatever the buffer holds. Here the next read fails.
 * @param Backend tfjs's class, loaded only once WebGPU is in the global scope
 */
export function createCheckedBackend(Backend: BackendClass, device: GPUDevice, info: GPUAdapterInfo): tf.KernelBackend {
  let failure: Failure | undefined;
  device.addEventListener("uncapturederror", (event) => {
    // Dawn would print it as well.
    event.preventDefault();
    failure ??= asFailure(event.error);
  });
  void watchLoss();

  async function watchLoss(): Promise<void> {
    const { reason, message } = await device.lost;
    if (reason !== "destroyed") failure ??= new Failure("unreachable", `The GPU was lost: ${message}`);
  }

  class CheckedBackend extends Backend {
    override async read(dataId: object): Promise<tf.backend_util.BackendValues> {
      const values = await super.read(dataId).catch((error: unknown) => {
        throw failure ?? error;
      });
      if (failure !== undefined) throw failure;
      return values;
    }

    override readSync(dataId: object): tf.backend_util.BackendValues {
      const { values } = this.tensorMapEntry(dataId);
      if (values === null || values === undefined) {
        throw new Error("values on a GPU come back asynchronously only: call data(), not dataSync()");
      }
      return values;
    }

    /** `tensorMap` is private in tfjs's declarations alone. */
    private tensorMapEntry(dataId: object): { values: tf.backend_util.BackendValues | null | undefined } {
      const { tensorMap } = this as unknown as {
        tensorMap: { get(id: object): { values: tf.backend_util.BackendValues | null | undefined } };
      };
      return tensorMap.get(dataId);
    }
  }
  return new CheckedBackend(device, info);
}

function asFailure(error: GPUError): Failure {
  const message = error.message.split("\n")[0] ?? "";
  // A tensor above the device's largest buffer is refused before memory is tried.
  if (error instanceof GPUOutOfMemoryError || /exceeds the max(imum)? buffer size|binding size/i.test(message)) {
    return new Failure(
      "out-of-memory",
      `The GPU is out of memory (${message}); lower --batch or train a smaller model.`,
    );
  }
  return new Failure("internal", `The GPU refused a command: ${message}`);
}
