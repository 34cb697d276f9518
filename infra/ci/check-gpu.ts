/** Exits with 0 where the software GPU of the tests starts, with 1 where it does not. */
import { softwareGpu } from "../../test/support/software-gpu.ts";

try {
  const environment = await softwareGpu();
  process.stdout.write(environment === undefined ? "" : `SwiftShader: ${environment["VK_DRIVER_FILES"]}\n`);
  process.exitCode = environment === undefined ? 1 : 0;
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
