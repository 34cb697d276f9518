import type { ResolvedPlan } from "../../shared/fusion/index.ts";
import { byteSize } from "./byte-progress.ts";

/** What is shown of a plan, be it made here or by a worker. */
interface NamedPlan {
  readonly method: string;
  readonly bytes: number;
  readonly inputs: readonly { readonly role: string; readonly id: string; readonly path: string | undefined }[];
  readonly tensors: readonly NamedTensor[];
}

interface NamedTensor extends Pick<ResolvedPlan["tensors"][number], "name" | "shape" | "treatment"> {
  readonly dtype: string;
  readonly parameters?: Readonly<Record<string, number | boolean | string>> | undefined;
  readonly inputs?: readonly Readonly<Record<string, number>>[] | undefined;
  readonly coefficients?: readonly number[] | undefined;
}

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

function numbersOf({ coefficients, parameters = {}, inputs = [] }: NamedTensor): string {
  const settings = Object.entries(parameters).map(([name, value]) => `${name}=${value}`);
  if (coefficients !== undefined) return [...settings, `coefficients ${coefficients.join(", ")}`].join("  ");
  const names = new Set(inputs.flatMap((input) => Object.keys(input)));
  const lists = [...names].map((name) => `${name} ${inputs.map((input) => input[name] ?? "-").join(", ")}`);
  return [...settings, ...lists].join("  ");
}
