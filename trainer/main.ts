#!/usr/bin/env node
import { runProgram } from "./command-line/run-program.ts";
import { COMMANDS } from "./commands/registry.ts";

await runProgram(COMMANDS, process.argv.slice(2));
