import type { Mlp } from "../../../shared/models/mlp.ts";
import { Failure } from "../../failure.ts";
import type { Setting } from "../study.ts";

/** @throws Failure `usage` where the setting is not a multilayer perceptron, whose depth and width are free */
export function perceptronOf({ architecture }: Setting, study: string): Mlp {
  if (architecture.architecture === "mlp") return architecture;
  throw new Failure(
    "usage",
    `The study of ${study} changes the layers of a multilayer perceptron; this is a ${architecture.architecture}. ` +
      "Take --model mlp, or other studies.",
  );
}

/** Units of its hidden layers where they are all alike, else of the widest. */
export function widthOf({ hidden }: Mlp): number {
  return Math.max(...hidden, 1);
}
