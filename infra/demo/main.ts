/** `npm run demo`. */
import { runProgram } from "../../trainer/command-line/run-program.ts";

const registry = new Map([
  ["demo", { summary: "the whole path on this machine", load: async () => (await import("./command.ts")).demo }],
]);
await runProgram(registry, ["demo", ...process.argv.slice(2)]);
