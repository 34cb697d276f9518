import { Failure } from "../failure.ts";
import { didYouMean } from "./suggest.ts";

/** One of the things that a command with several can do: `edgefuse alias set`. */
export interface Action {
  /** Words after it, as the help page names them. */
  readonly operands: readonly string[];
}

/**
 * Finds the action that the first operand names.
 * @throws Failure `usage` where there is none, or it has more or fewer words after it than it takes
 */
export function chooseAction<Chosen extends Action>(
  command: string,
  actions: ReadonlyMap<string, Chosen>,
  [name = "", ...operands]: readonly string[],
): { readonly name: string; readonly action: Chosen; readonly operands: readonly string[] } {
  const action = actions.get(name);
  const help = `See edgefuse ${command} --help.`;
  if (action === undefined) {
    const hint = didYouMean(name, actions.keys());
    throw new Failure("usage", `There is no action ${JSON.stringify(name)}.${hint} ${help}`);
  }
  if (operands.length !== action.operands.length) {
    const line = ["edgefuse", command, name, ...action.operands].join(" ");
    throw new Failure("usage", `${line} is how it is written. ${help}`);
  }
  return { name, action, operands };
}
