/** Exits with 0 where the environment it runs in gives WebGPU an adapter, in software or not. */
import { chooseBackend } from "../../trainer/backend/choose-backend.ts";

try {
  process.stdout.write(`${(await chooseBackend("webgpu")).reason}\n`);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
