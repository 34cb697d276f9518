import { choice, flag, optional, text, type ValueOption, wholeNumber } from "../command-line/options.ts";
import { BACKEND_CHOICES } from "../backend/choose-backend.ts";
import type { CheckpointInterval } from "../training/member-surroundings.ts";

const SECONDS = { s: 1, m: 60, h: 3600 } as const;

/** `200` (steps), `30s`, `5m`, `1h`, `never`. */
const checkpointEvery: ValueOption<CheckpointInterval | undefined> = {
  kind: "value",
  placeholder: "STEPS|TIME",
  help: "how often the state is saved to resume from: 200 (steps), 30s, 5m, or never",
  fallback: "30s",
  parse(given) {
    if (given === "never") return undefined;
    const [, digits = "", unit] = /^(\d{1,9})([smh])?$/.exec(given) ?? [];
    const number = Number(digits);
    if (digits === "" || number === 0) {
      throw new Error("a number of steps such as 200, a time such as 30s or 5m, or never");
    }
    return unit === undefined ? { steps: number } : { seconds: number * SECONDS[unit as keyof typeof SECONDS] };
  },
};

/** Options that say how a run goes; none of them enters the weights, but for the backend. */
export const RUN_OPTIONS = {
  backend: choice(BACKEND_CHOICES, { help: "what computes; auto takes a GPU if there is one", fallback: "auto" }),
  threads: optional(wholeNumber(1, 1024, { help: "models trained at a time (default: one a core; one on a GPU)" })),
  "checkpoint-every": checkpointEvery,
  fresh: flag("begin again: discard what there is of that name, saved states too"),
  "keep-best": flag("also write NAME-1.best.safetensors: the epoch with the best validation accuracy"),
  metrics: optional(
    text({ help: "append a JSON line every 10 steps and every epoch to this file", placeholder: "FILE" }),
  ),
  push: flag("upload and register the checkpoints as edgefuse push does, with its settings in the environment"),
  "upload-only": flag("with --push: do not register"),
};
