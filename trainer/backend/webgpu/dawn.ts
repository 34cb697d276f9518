import type * as Dawn from "webgpu";
import { adapterLine, type AdapterDescription, describeAdapter } from "./adapter.ts";
import { NoGpu } from "./no-gpu.ts";
import { mountedDriverFile, NO_DEVICES, surveyVulkan, vulkanAdvice } from "./vulkan.ts";

/** Names a Vulkan loader for hosts that have a GPU's driver and no loader; the bundle carries one. */
export const LOADER_VARIABLE = "EDGEFUSE_VULKAN_LOADER";

/** An adapter and what holds it. Dawn keeps the process alive as long as `gpu` can be reached. */
export interface OpenAdapter {
  readonly gpu: GPU;
  readonly adapter: GPUAdapter;
  readonly description: AdapterDescription;
}

/** Which adapters count. */
export interface AdapterChoice {
  /** Take a program on the CPU, such as SwiftShader, where there is no GPU. */
  readonly allowSoftware: boolean;
}

/**
 * Opens the fastest GPU through Dawn and puts WebGPU's classes into the global scope, as tfjs expects them.
 *
 * In a worker thread `process.env` is a copy that Vulkan does not see, so a main thread that will start threads calls
 * `chooseBackend` (and with it `prepareVulkan`) first.
 * @throws NoGpu whose message says what to do, where there is no adapter that counts
 */
export async function openAdapter(choice: AdapterChoice): Promise<OpenAdapter> {
  const advice = prepareVulkan(choice);
  const { create, globals } = await loadDawn();
  for (const [name, value] of Object.entries(globals)) {
    if (!(name in globalThis)) Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
  const gpu = create([]);
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
  if (adapter === null) throw new NoGpu(advice ?? "Dawn offers no adapter on this machine");
  const description = describeAdapter(adapter.info);
  if (description.software && !choice.allowSoftware) {
    throw new NoGpu(`the only adapter is a program on the CPU: ${adapterLine(description)}`);
  }
  return { gpu, adapter, description };
}

/**
 * Makes Vulkan ready for Dawn: its loader, and drivers that it would not find by itself.
 * @returns what to do should there be no adapter; undefined where Vulkan is not what Dawn uses
 * @throws NoGpu where it is plain that there is no adapter
 */
export function prepareVulkan({ allowSoftware }: AdapterChoice): string | undefined {
  if (process.platform !== "linux") return undefined;
  const mounted = mountedDriverFile(process.env);
  if (mounted !== undefined) process.env["VK_ADD_DRIVER_FILES"] = mounted;
  const state = surveyVulkan(process.env, process.env[LOADER_VARIABLE]);
  const advice = vulkanAdvice(state);
  // Cheap answers first: where these are missing Dawn finds nothing, and prints a page about it.
  if (!allowSoftware && !state.devices) throw new NoGpu(NO_DEVICES);
  if (!state.loader || state.driverFiles.length === 0) throw new NoGpu(advice);
  return advice;
}

async function loadDawn(): Promise<typeof Dawn> {
  try {
    return await import("webgpu");
  } catch (error) {
    const reason = error instanceof Error ? error.message.split("\n")[0] : String(error);
    throw new NoGpu(`Dawn does not load on ${process.platform}-${process.arch}: ${reason}`, error);
  }
}
