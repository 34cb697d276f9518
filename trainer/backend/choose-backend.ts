import { type AdapterDescription, adapterLine } from "./webgpu/adapter.ts";
import type { AdapterChoice } from "./webgpu/dawn.ts";
import { NoGpu } from "./webgpu/no-gpu.ts";

/** What the command line offers. */
export const BACKEND_CHOICES = ["auto", "wasm", "webgpu"] as const;
export type BackendChoice = (typeof BACKEND_CHOICES)[number];

/** What trains, and why that. */
export type ChosenBackend = { readonly reason: string } & (
  | { readonly name: "wasm" }
  | { readonly name: "webgpu"; readonly adapter: AdapterDescription; readonly allowSoftware: boolean }
);

/** @throws NoGpu where there is no adapter that counts */
export type ProbeAdapter = (choice: AdapterChoice) => Promise<AdapterDescription>;

/**
 * Decides what trains, before any thread starts. `auto` takes a real GPU if there is one, else the CPU, and says which;
 * an adapter that is a program on the CPU (SwiftShader, llvmpipe) counts only where `webgpu` is asked for by name. An
 * explicit choice is kept or refused, never replaced.
 * @throws NoGpu where `webgpu` is asked for and there is no adapter
 */
export async function chooseBackend(choice: BackendChoice, probe: ProbeAdapter = probeHere): Promise<ChosenBackend> {
  switch (choice) {
    case "wasm":
      return { name: "wasm", reason: "wasm, as asked for" };
    case "webgpu": {
      const adapter = await probe({ allowSoftware: true });
      return {
        name: "webgpu",
        adapter,
        allowSoftware: true,
        reason: `webgpu, as asked for, on ${adapterLine(adapter)}`,
      };
    }
    case "auto":
      return probe({ allowSoftware: false }).then(
        (adapter) => ({
          name: "webgpu",
          adapter,
          allowSoftware: false,
          reason: `webgpu, because there is a GPU: ${adapterLine(adapter)}`,
        }),
        (error: unknown) => {
          if (!(error instanceof NoGpu)) throw error;
          return { name: "wasm", reason: `wasm, because there is no GPU: ${error.reason}` };
        },
      );
  }
}

/** The real thing, loaded only where a GPU may be used. */
async function probeHere(choice: AdapterChoice): Promise<AdapterDescription> {
  return (await import("./webgpu/probe-adapter.ts")).probeAdapter(choice);
}
