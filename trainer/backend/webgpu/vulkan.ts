import { existsSync, readdirSync } from "node:fs";
import { constants, homedir } from "node:os";
import { join } from "node:path";

/** Vulkan as this machine has it, which is what Dawn finds GPUs through on Linux. */
export interface VulkanState {
  /** Whether `libvulkan.so.1` is there. */
  readonly loader: boolean;
  /** Files that name drivers, where the loader looks for them. */
  readonly driverFiles: readonly string[];
  /** Files that VK_DRIVER_FILES (or its older name) lists and that do not exist. */
  readonly missingDriverFiles: readonly string[];
  /** Whether the kernel shows any GPU. */
  readonly devices: boolean;
}

const LOADER = "libvulkan.so.1";
/** dlopen's flag that keeps a library for the life of the process (Linux); Node has no name for it. */
const RTLD_NODELETE = 0x1000;
/** Where container platforms mount NVIDIA's driver file: outside the folders that the loader searches. */
const MOUNTED_DRIVER_FILES = ["/usr/local/nvidia/share/vulkan/icd.d/nvidia_icd.json"];

/**
 * Looks at this machine's Vulkan. Loads the loader for good, from `fallback` where the system has none: Dawn opens it
 * by name later and gets the one that is there.
 * @param environment of the process
 * @param fallback path of a loader to load where the system has none
 */
export function surveyVulkan(environment: NodeJS.ProcessEnv, fallback: string | undefined): VulkanState {
  const loader = openLibrary(LOADER) || (fallback !== undefined && fallback !== "" && openLibrary(fallback));
  const named = (environment["VK_DRIVER_FILES"] ?? environment["VK_ICD_FILENAMES"] ?? "").split(":").filter(Boolean);
  const driverFiles = named.length > 0 ? named.filter(existsSync) : searchedFolders(environment).flatMap(driversIn);
  return {
    loader,
    driverFiles,
    missingDriverFiles: named.filter((path) => !existsSync(path)),
    devices: hasDevices(),
  };
}

/**
 * A driver file that the loader would not find by itself, for VK_ADD_DRIVER_FILES.
 * @returns undefined where the environment already says which drivers to take
 */
export function mountedDriverFile(environment: NodeJS.ProcessEnv): string | undefined {
  const chosen = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES", "VK_ADD_DRIVER_FILES"].some((name) => environment[name]);
  return chosen ? undefined : MOUNTED_DRIVER_FILES.find((path) => existsSync(path));
}

/** Advice where the kernel shows no GPU. */
export const NO_DEVICES = "the kernel shows none (no /dev/nvidia0, no /dev/dri/renderD128); give the container one";

/** What to do where no adapter was found: a sentence without its full stop. */
export function vulkanAdvice({ loader, driverFiles, missingDriverFiles, devices }: VulkanState): string {
  const [missing] = missingDriverFiles;
  if (!loader) return `the Vulkan loader ${LOADER} is missing; install it (apt-get install -y libvulkan1)`;
  if (missing !== undefined) return `VK_DRIVER_FILES names ${missing}, which does not exist`;
  if (driverFiles.length === 0) {
    return (
      "no Vulkan driver is registered; install the GPU's (NVIDIA in a container: NVIDIA_DRIVER_CAPABILITIES=all), " +
      "or set VK_DRIVER_FILES to its nvidia_icd.json"
    );
  }
  if (!devices) return NO_DEVICES;
  return `no driver of ${driverFiles.join(", ")} offers a GPU; set VK_DRIVER_FILES to the right driver's file`;
}

/** Whether the kernel shows a GPU: NVIDIA's own nodes, those of Mesa's drivers, or WSL's. */
function hasDevices(): boolean {
  const listed = (folder: string) => (existsSync(folder) ? readdirSync(folder) : []);
  return (
    listed("/dev").some((name) => /^nvidia\d+$|^dxg$/.test(name)) ||
    listed("/dev/dri").some((name) => name.startsWith("renderD"))
  );
}

/** The folders of the loader's documentation (Vulkan-Loader, LoaderDriverInterface.md, "Driver Discovery on Linux"). */
function searchedFolders(environment: NodeJS.ProcessEnv): string[] {
  const list = (name: string, fallback: string) => (environment[name] || fallback).split(":");
  const roots = [
    environment["XDG_CONFIG_HOME"] || join(homedir(), ".config"),
    ...list("XDG_CONFIG_DIRS", "/etc/xdg"),
    "/etc",
    environment["XDG_DATA_HOME"] || join(homedir(), ".local/share"),
    ...list("XDG_DATA_DIRS", "/usr/local/share:/usr/share"),
  ];
  const added = list("VK_ADD_DRIVER_FILES", "").filter((path) => path !== "" && existsSync(path));
  return [...new Set([...roots.map((root) => join(root, "vulkan/icd.d")), ...added])];
}

function driversIn(path: string): string[] {
  if (path.endsWith(".json")) return [path];
  if (!existsSync(path)) return [];
  return readdirSync(path)
    .filter((name) => name.endsWith(".json"))
    .map((name) => join(path, name));
}

/** Loads a shared library that is no Node addon, which Node does and then complains about. */
function openLibrary(library: string): boolean {
  const { RTLD_NOW, RTLD_GLOBAL } = constants.dlopen;
  try {
    process.dlopen({ exports: {} }, library, RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE);
    return true;
  } catch (error) {
    return error instanceof Error && error.message.includes("did not self-register");
  }
}
