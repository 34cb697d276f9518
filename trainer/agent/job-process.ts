import { runProgram } from "../command-line/run-program.ts";
import { COMMANDS } from "../commands/registry.ts";
import { EXIT_CODES } from "../failure.ts";

/**
 * Entry of the process that a job runs in: the command line, with an eye on the agent that started it. Where the agent
 * is killed outright, its channel closes; the job belongs to another agent then, and the GPU must not be held.
 */
if (process.channel === undefined) throw new Error("job-process.ts is started by an agent");
process.once("disconnect", () => process.exit(EXIT_CODES["resume-me"].code));
// The channel alone is no reason to live on.
process.channel.unref();

await runProgram(COMMANDS, process.argv.slice(2));
