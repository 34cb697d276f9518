/**
 * Variables of the agent that its jobs see too: where programs, folders and GPUs are, how the network is reached, the
 * language. All else stays with the agent: tokens, storage credentials, whatever a cloud put there.
 */
const PASSED = new Set([
  ...["PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "TZ", "LANG", "LANGUAGE"],
  ...["LD_LIBRARY_PATH", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_DATA_DIRS", "XDG_RUNTIME_DIR"],
  ...["EDGEFUSE_CACHE", "EDGEFUSE_VULKAN_LOADER"],
  ...["CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES"],
  ...["VK_DRIVER_FILES", "VK_ICD_FILENAMES", "VK_ADD_DRIVER_FILES", "VK_LAYER_PATH"],
  ...["SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS", "NODE_USE_ENV_PROXY", "NO_PROXY", "no_proxy"],
]);

/** These are addresses, and pass only where no password is written into them. */
const PROXIES = new Set(["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"]);

/** What a job is told about itself. */
export interface JobFacts {
  readonly job: string;
  /** From 1. */
  readonly attempt: number;
}

/**
 * The environment of a job's process: a list of what passes, never one of what does not.
 * @param environment of the agent
 */
export function childEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
  { job, attempt }: JobFacts,
): Record<string, string> {
  const passed: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment)) {
    if (value === undefined) continue;
    if (PASSED.has(name) || name.startsWith("LC_") || (PROXIES.has(name) && isBareAddress(value))) passed[name] = value;
  }
  return { ...passed, NO_COLOR: "1", TERM: "dumb", EDGEFUSE_JOB: job, EDGEFUSE_ATTEMPT: String(attempt) };
}

function isBareAddress(value: string): boolean {
  if (!URL.canParse(value)) return false;
  const { username, password } = new URL(value);
  return username === "" && password === "";
}
