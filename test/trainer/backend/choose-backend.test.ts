import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { chooseBackend, type ProbeAdapter } from "../../../trainer/backend/choose-backend.ts";
import { adapterLine, describeAdapter } from "../../../trainer/backend/webgpu/adapter.ts";
import { NoGpu } from "../../../trainer/backend/webgpu/no-gpu.ts";
import {
  mountedDriverFile,
  NO_DEVICES,
  surveyVulkan,
  vulkanAdvice,
  type VulkanState,
} from "../../../trainer/backend/webgpu/vulkan.ts";
import { EXIT_CODES } from "../../../trainer/failure.ts";

const H200 = {
  vendor: "nvidia",
  architecture: "hopper",
  device: "NVIDIA H200",
  description: "NVIDIA: 570.86.15",
  software: false,
};
const SWIFTSHADER = {
  vendor: "google",
  architecture: "swiftshader",
  device: "SwiftShader Device (Subzero)",
  description: "SwiftShader driver 5.0.0",
  software: true,
};

/** A machine with these adapters, best first. */
function machine(...adapters: (typeof H200)[]): ProbeAdapter {
  return async ({ allowSoftware }) => {
    const adapter = adapters.find(({ software }) => allowSoftware || !software);
    if (adapter === undefined) throw new NoGpu("the loader is missing; install it");
    return adapter;
  };
}

describe("chooseBackend", () => {
  it("takes a real GPU by itself, and says which", async () => {
    await expect(chooseBackend("auto", machine(H200))).resolves.toEqual({
      name: "webgpu",
      adapter: H200,
      allowSoftware: false,
      reason: "webgpu, because there is a GPU: nvidia hopper, NVIDIA H200 (NVIDIA: 570.86.15)",
    });
  });

  it.each([
    ["there is none", machine()],
    ["there is only one in software", machine(SWIFTSHADER)],
  ])("takes the CPU where %s, and says why", async (_, probe) => {
    const chosen = await chooseBackend("auto", probe);
    expect(chosen).toEqual({
      name: "wasm",
      reason: "wasm, because there is no GPU: the loader is missing; install it",
    });
  });

  it("takes one in software where WebGPU is asked for by name", async () => {
    const chosen = await chooseBackend("webgpu", machine(SWIFTSHADER));
    expect(chosen).toMatchObject({ name: "webgpu", adapter: SWIFTSHADER, allowSoftware: true });
    expect(chosen.reason).toMatch(/software$/);
  });

  it("never replaces an explicit choice", async () => {
    await expect(chooseBackend("webgpu", machine())).rejects.toMatchObject({
      kind: "no-gpu",
      message:
        "There is no GPU to train on: the loader is missing; install it; or train on the CPU with --backend wasm.",
    });
    const never: ProbeAdapter = () => Promise.reject(new Error("wasm looks for no GPU"));
    await expect(chooseBackend("wasm", never)).resolves.toMatchObject({ name: "wasm" });
  });

  it("does not take a crash for the lack of a GPU", async () => {
    const crash: ProbeAdapter = () => Promise.reject(new Error("Dawn crashed"));
    await expect(chooseBackend("auto", crash)).rejects.toThrow("Dawn crashed");
  });

  it("has an exit code of its own for it", () => {
    const codes = Object.values(EXIT_CODES).map(({ code }) => code);
    expect(codes.filter((code) => code === EXIT_CODES["no-gpu"].code)).toHaveLength(1);
  });
});

describe("describeAdapter", () => {
  const info = (facts: Partial<GPUAdapterInfo>) =>
    ({
      vendor: "",
      architecture: "",
      device: "",
      description: "",
      isFallbackAdapter: false,
      ...facts,
    }) as GPUAdapterInfo;

  it.each([
    ["a GPU", info({ vendor: "nvidia", architecture: "hopper", device: "NVIDIA H200" }), false],
    ["what says that it is one", info({ isFallbackAdapter: true }), true],
    ["SwiftShader", info({ architecture: "swiftshader" }), true],
    ["llvmpipe", info({ vendor: "mesa", description: "llvmpipe (LLVM 15.0.6, 256 bits)" }), true],
  ])("tells programs on the CPU: %s", (_, adapter, software) => {
    expect(describeAdapter(adapter).software).toBe(software);
  });

  it("makes one line of whatever is known", () => {
    expect(adapterLine(H200)).toBe("nvidia hopper, NVIDIA H200 (NVIDIA: 570.86.15)");
    expect(adapterLine(describeAdapter(info({})))).toBe("unnamed adapter");
    expect(adapterLine(SWIFTSHADER)).toMatch(/, software$/);
  });
});

describe("vulkanAdvice", () => {
  const fine: VulkanState = {
    loader: true,
    driverFiles: ["/usr/share/vulkan/icd.d/nvidia_icd.json"],
    missingDriverFiles: [],
    devices: true,
  };

  it.each<[string, Partial<VulkanState>, RegExp]>([
    ["the loader", { loader: false, driverFiles: [], devices: false }, /apt-get install -y libvulkan1/],
    ["the file that is named", { missingDriverFiles: ["/x.json"], driverFiles: [] }, /VK_DRIVER_FILES names \/x\.json/],
    ["a driver", { driverFiles: [] }, /NVIDIA_DRIVER_CAPABILITIES=all.*VK_DRIVER_FILES/],
    ["the device", { devices: false }, new RegExp(NO_DEVICES.slice(0, 20))],
    ["a driver that fits", {}, /nvidia_icd\.json offers a GPU/],
  ])("says what to do where %s is missing", (_, lacks, advice) => {
    expect(vulkanAdvice({ ...fine, ...lacks })).toMatch(advice);
  });
});

describe("surveyVulkan", () => {
  it("finds the drivers that the environment names, and those that it names in vain", () => {
    const here = fileURLToPath(import.meta.url);
    const state = surveyVulkan({ VK_DRIVER_FILES: `${here}:/nowhere/icd.json` }, undefined);
    expect(state).toMatchObject({ driverFiles: [here], missingDriverFiles: ["/nowhere/icd.json"] });
  });

  it("looks where the loader looks, else", async () => {
    const folder = await mkdtemp(join(tmpdir(), "edgefuse-vulkan-"));
    try {
      await mkdir(join(folder, "vulkan/icd.d"), { recursive: true });
      const driver = join(folder, "vulkan/icd.d/some_icd.json");
      await writeFile(driver, "{}");
      expect(surveyVulkan({ XDG_DATA_DIRS: folder }, undefined).driverFiles).toContain(driver);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("adds no driver where the environment chooses", () => {
    expect(mountedDriverFile({ VK_DRIVER_FILES: "/some/icd.json" })).toBeUndefined();
  });
});
