/**
 * Runs a command as long as its own standard input stays open, then ends the command and everything it started.
 *
 * The pipe closes when the parent dies, however it dies, so a killed demo or test leaves no server behind.
 * Usage: node supervisor.ts COMMAND [ARG …]
 */
import { spawn } from "node:child_process";

const [command, ...commandArguments] = process.argv.slice(2);
if (command === undefined) throw new Error("usage: supervisor.ts COMMAND [ARG …]");

// Detached: the child leads a process group of its own, so one signal reaches all of it.
const child = spawn(command, commandArguments, { detached: true, stdio: ["ignore", "inherit", "inherit"] });
const GRACE_MILLISECONDS = 5_000;

const end = () => {
  signalGroup("SIGTERM");
  setTimeout(() => signalGroup("SIGKILL"), GRACE_MILLISECONDS).unref();
};
process.stdin.resume().on("end", end).on("close", end);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, end);
// As a crash would: no good-byes. Tests of what survives one ask for it.
process.on("SIGUSR2", () => signalGroup("SIGKILL"));
child.on("exit", (code, signal) => {
  signalGroup("SIGKILL"); // what the command left running
  process.exit(signal === null ? (code ?? 1) : 1);
});

function signalGroup(signal: NodeJS.Signals): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, signal);
  } catch {
    // The group has ended already.
  }
}
