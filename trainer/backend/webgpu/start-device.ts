import * as tf from "@tensorflow/tfjs-core";
import { adapterLine, describeAdapter } from "./adapter.ts";
import { createCheckedBackend } from "./checked-backend.ts";
import { type AdapterChoice, openAdapter } from "./dawn.ts";
import { NoGpu } from "./no-gpu.ts";

/** A GPU that tfjs runs on. */
export interface StartedDevice {
  /** See `adapterLine`. */
  readonly adapter: string;
  /** Destroys the device, and with it all tensors; tfjs is left without a backend. */
  dispose(): void;
}

/** Dawn's callbacks run only while its `GPU` object lives; collected too early, the process hangs or crashes. */
const held = new Set<GPU>();

/**
 * Opens a GPU, makes a device and gives it to tfjs as its current backend `webgpu`.
 * @throws NoGpu where there is no adapter that counts
 */
export async function startDevice(options: AdapterChoice): Promise<StartedDevice> {
  const { gpu, adapter, description } = await openAdapter(options);
  const device = await requestDevice(adapter);
  held.add(gpu);
  try {
    await loadBackend(gpu, device, adapter.info);
  } catch (error) {
    device.destroy();
    held.delete(gpu);
    throw error;
  }
  return {
    adapter: adapterLine(description),
    dispose() {
      tf.removeBackend("webgpu");
      device.destroy();
      held.delete(gpu);
    },
  };
}

/** @throws NoGpu where the driver gives none, as when another process holds the GPU for itself */
async function requestDevice(adapter: GPUAdapter): Promise<GPUDevice> {
  const descriptor = { requiredFeatures: wantedFeatures(adapter), requiredLimits: wantedLimits(adapter.limits) };
  try {
    return await adapter.requestDevice(descriptor);
  } catch (error) {
    const reason = error instanceof Error ? error.message.split("\n")[0] : String(error);
    throw new NoGpu(`${adapterLine(describeAdapter(adapter.info))} gives no device: ${reason}`, error);
  }
}

/**
 * tfjs asks whether the global scope has WebGPU, at import and when the backend is made. It is taken out again after,
 * because Node does not exit while it can be reached.
 */
async function loadBackend(gpu: GPU, device: GPUDevice, info: GPUAdapterInfo): Promise<void> {
  Object.defineProperty(globalThis.navigator, "gpu", { value: gpu, configurable: true });
  try {
    const { WebGPUBackend } = await import("./tfjs-webgpu.ts");
    const backend = createCheckedBackend(WebGPUBackend, device, info);
    // tfjs's own registration would choose another adapter, and fall back silently where that fails.
    tf.removeBackend("webgpu");
    tf.registerBackend("webgpu", () => backend, 3);
    await tf.setBackend("webgpu");
  } finally {
    Reflect.deleteProperty(globalThis.navigator, "gpu");
  }
  if (tf.getBackend() !== "webgpu") throw new Error(`tfjs runs on ${tf.getBackend()}, not on the GPU`);
}

/** Timestamps time kernels (`tf.time`). */
function wantedFeatures(adapter: GPUAdapter): GPUFeatureName[] {
  return (["timestamp-query"] as const).filter((feature) => adapter.features.has(feature));
}

/** All that the adapter has of what tfjs's kernels and large models use. */
function wantedLimits(limits: GPUSupportedLimits): Record<string, number> {
  return {
    maxBufferSize: limits.maxBufferSize,
    maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
    maxStorageBuffersPerShaderStage: limits.maxStorageBuffersPerShaderStage,
    maxComputeWorkgroupStorageSize: limits.maxComputeWorkgroupStorageSize,
    maxComputeWorkgroupsPerDimension: limits.maxComputeWorkgroupsPerDimension,
    maxComputeWorkgroupSizeX: limits.maxComputeWorkgroupSizeX,
    maxComputeInvocationsPerWorkgroup: limits.maxComputeInvocationsPerWorkgroup,
  };
}
