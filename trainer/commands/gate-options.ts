import { type GateForm, gateForm, type GateLimits, gateLimits } from "../../shared/api/gates.ts";
import { optional, repeated, text, type ValueOption } from "../command-line/options.ts";
import { didYouMean } from "../command-line/suggest.ts";
import { Failure } from "../failure.ts";
import { parseDataset } from "../probing/evaluation-values.ts";

type LimitName = keyof GateLimits;

/** A line's `--gate lossBarrier=0.1`. */
interface Limit {
  readonly name: LimitName;
  readonly max: number;
}

const NAMES = Object.keys(gateLimits.shape) as LimitName[];

const limit: ValueOption<Limit> = {
  kind: "value",
  placeholder: "LIMIT=X",
  help: `what is allowed at most: ${NAMES.join(", ")}; accuracies as fractions, losses in nats`,
  parse(given) {
    const [, name = "", value = ""] = /^([^=]*)=(.*)$/s.exec(given) ?? [];
    const found = NAMES.find((candidate) => candidate === name);
    if (found === undefined) {
      throw new Error(`LIMIT=X with one of ${NAMES.join(", ")}.${didYouMean(name, NAMES)}`.replace(/\.$/, ""));
    }
    const max = value.trim() === "" ? Number.NaN : Number(value);
    const shape = gateLimits.shape[found];
    if (!shape.safeParse({ max }).success) {
      throw new Error(`${found}=X with a number${found === "lossBarrier" ? "" : " from -1 to 1; 0.02 is two points"}`);
    }
    return { name: found, max };
  },
};

/** The limits of a gate. */
export const LIMIT_OPTIONS = { gate: repeated(limit) };

/** A gate of a worker's: limits, and the data of the worker's on which they are measured. */
export const GATE_OPTIONS = {
  ...LIMIT_OPTIONS,
  "gate-dataset": optional(
    text({ help: "the worker's dataset that the gate measures on, such as digits or digits@3", placeholder: "NAME" }),
  ),
};

/**
 * The limits that a line gives; undefined where it gives none.
 * @throws Failure `usage` where one is given twice
 */
export function limitsFromOptions({ gate }: { readonly gate: readonly Limit[] }): GateLimits | undefined {
  if (gate.length === 0) return undefined;
  const limits: { [Name in LimitName]?: { max: number } } = {};
  for (const { name, max } of gate) {
    if (limits[name] !== undefined) throw new Failure("usage", `--gate ${name} is given twice.`);
    limits[name] = { max };
  }
  return limits;
}

/**
 * The gate that a line describes; undefined where it gives no limit.
 * @throws Failure `usage` where limits or data are missing
 */
export function gateFromOptions(
  values: { readonly gate: readonly Limit[]; readonly "gate-dataset": string | undefined },
  command: string,
): GateForm | undefined {
  const limits = limitsFromOptions(values);
  const given = values["gate-dataset"];
  const usage = (message: string) => new Failure("usage", `${message} See edgefuse ${command} --help.`);
  if (limits === undefined && given === undefined) return undefined;
  if (limits === undefined) throw usage("--gate-dataset goes with --gate LIMIT=X.");
  if (given === undefined) throw usage("--gate-dataset NAME is needed: what the gate measures on.");
  const parsed = gateForm.safeParse({ ...limits, ...parseDataset(given) });
  if (!parsed.success) throw usage(`--gate-dataset ${given}: ${parsed.error.issues[0]?.message ?? "is not valid"}.`);
  return parsed.data;
}
