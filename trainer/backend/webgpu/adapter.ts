/** What a WebGPU adapter says about itself. */
export interface AdapterDescription {
  /** Such as `nvidia`, `amd`, `google`. */
  readonly vendor: string;
  /** Such as `hopper`, `swiftshader`; empty where the driver does not say. */
  readonly architecture: string;
  /** Such as `NVIDIA H200`. */
  readonly device: string;
  /** The driver and its version. */
  readonly description: string;
  /** Whether it is a program on the CPU (SwiftShader, Mesa's llvmpipe, WARP), not a GPU. */
  readonly software: boolean;
}

/** Programs that pass for an adapter. Their driver marks them as a CPU, but older ones forget to. */
const SOFTWARE = /swiftshader|llvmpipe|lavapipe|softpipe|warp|basic render/i;

export function describeAdapter(info: GPUAdapterInfo): AdapterDescription {
  const { vendor, architecture, device, description } = info;
  const software = info.isFallbackAdapter || SOFTWARE.test([architecture, device, description].join(" "));
  return { vendor, architecture, device, description, software };
}

/** One line for notes and for a checkpoint's training facts, such as `nvidia hopper, NVIDIA H200 (driver 570.86)`. */
export function adapterLine({ vendor, architecture, device, description, software }: AdapterDescription): string {
  const maker = [vendor, architecture].filter(Boolean).join(" ");
  const name = [maker, device].filter(Boolean).join(", ") || "unnamed adapter";
  return `${name}${description === "" ? "" : ` (${description})`}${software ? ", software" : ""}`;
}
