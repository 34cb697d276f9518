import type { ResolvedPlan } from "../../shared/fusion/index.ts";
import { byteSize } from "./byte-progress.ts";

type NamedPlan = Omit<ResolvedPlan, "inputs"> & {
  readonly inputs: readonly (ResolvedPlan["inputs"][number] & { readonly path: string | undefined })[];
};

/** A plan for people: what goes in, then a line for each tensor with the numbers that hold for it. */
export function planText(id: string, { method, inputs, tensors, bytes }: NamedPlan): string {
  const width = Math.max(0, ...tensors.map(({ name }) => name.length));
  return [
    `model ${id}: ${method}, ${tensors.length} tensors, ${byteSize(bytes)}`,
    ...inputs.map(({ role, path, id: input }) => `${role.padEnd(10)} ${input}  ${path ?? ""}`),
    ...tensors.map((tensor) => {
      const form = `${tensor.name.padEnd(width)}  ${tensor.dtype.padEnd(7)} [${tensor.shape.join(", ")}]`;
      return `${form}  ${tensor.treatment === "copied" ? "copied" : numbersOf(tensor)}`;
    }),
  ].join("\n");
}

function numbersOf({ coefficients, parameters = {}, inputs = [] }: ResolvedPlan["tensors"][number]): string {
  const settings = Object.entries(parameters).map(([name, value]) => `${name}=${value}`);
  if (coefficients !== undefined) return [...settings, `coefficients ${coefficients.join(", ")}`].join("  ");
  const names = new Set(inputs.flatMap((input) => Object.keys(input)));
  const lists = [...names].map((name) => `${name} ${inputs.map((input) => input[name] ?? "-").join(", ")}`);
  return [...settings, ...lists].join("  ");
}
