import { FUSION_METHODS, type FusionInput, type FusionMethod } from "../../../shared/fusion/index.ts";
import { inputOf, type TestTensor, writeCheckpoint } from "../../support/checkpoints.ts";
import { roundFloat } from "../../support/float-oracle.ts";

/** A method with parameters that make it do something. */
export interface MethodCase {
  readonly title: string;
  readonly method: FusionMethod;
  readonly parameters: Readonly<Record<string, unknown>>;
}

/** What a parameter of this name is set to, of whatever method. Methods that come later are tested too. */
const USUAL: Readonly<Record<string, unknown>> = {
  t: 0.3,
  density: 0.4,
  epsilon: 0.2,
  gamma: 0.1,
  selectTopk: 0.5,
  seed: 7,
  lambda: 0.8,
};

/** Parameters that take other paths. */
const VARIANTS: Readonly<Record<string, readonly Readonly<Record<string, unknown>>[]>> = {
  linear: [{ normalize: false }],
  nuslerp: [{ flatten: false }, { flatten: false, rowWise: true }],
  ties: [
    { semantics: "peft", election: "frequency" },
    { semantics: "original" },
    { rescale: "l1" },
    { density: [0.2, 0.9] },
  ],
  "dare-linear": [{ rescale: "density" }],
  "model-stock": [{ filterWise: true }, { extrapolate: true }],
  regmean: [{ layout: "in-out" }, { layout: "out-in" }],
  sce: [{ selectTopk: 1 }],
};

export const METHOD_CASES: readonly MethodCase[] = FUSION_METHODS.flatMap((method) => {
  const usual = Object.fromEntries(
    Object.keys(method.parameters).flatMap((name) => (name in USUAL ? [[name, USUAL[name]]] : [])),
  );
  return [{}, ...(VARIANTS[method.id] ?? [])].map((variant) => ({
    title: `${method.id}${Object.keys(variant).length > 0 ? ` ${JSON.stringify(variant)}` : ""}`,
    method,
    parameters: { ...usual, ...variant },
  }));
});

export interface TensorSpec {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: "F32" | "F16" | "BF16" | "F64" | "I64";
}

/** Beyond a block of 4096 elements, rows, kernels, scalars, nothing at all, and something to be copied. */
export const TENSORS: readonly TensorSpec[] = [
  { name: "embedding", shape: [9001], dtype: "F32" },
  { name: "layers.0.weight", shape: [9, 6], dtype: "F32" },
  { name: "layers.1.weight", shape: [6, 6], dtype: "BF16" },
  { name: "layers.2.conv", shape: [3, 4, 5, 2], dtype: "F16" },
  { name: "layers.3/kernel", shape: [6, 40], dtype: "F32" },
  { name: "layers.3.bias", shape: [1], dtype: "F32" },
  { name: "scale", shape: [], dtype: "F32" },
  { name: "none", shape: [0, 4], dtype: "F32" },
  { name: "double", shape: [70, 3], dtype: "F64" },
  { name: "steps", shape: [3], dtype: "I64" },
];

const WIDTHS = { F32: 4, F16: 2, BF16: 2, F64: 8, I64: 8 } as const;

/** Values between -1 and 1, on a coarse grid in part, so that magnitudes tie. */
export function valueAt(salt: number, tensor: number, at: number): number {
  const value = Math.sin((at + 1) * (tensor + 1.7) * 0.37 + salt * salt * 1.3 + salt);
  // A sum of -0 under coefficients of both signs is +0, so there is no -0 here.
  return at % 3 === 0 ? Math.round(value * 8) / 8 + 0 : value;
}

export function tensorsOf(salt: number, specs: readonly TensorSpec[] = TENSORS): TestTensor[] {
  return specs.map(({ name, shape, dtype }) => {
    const index = TENSORS.findIndex((spec) => spec.name === name);
    const elements = shape.reduce((product, size) => product * size, 1);
    const data = new Uint8Array(elements * WIDTHS[dtype]);
    const view = new DataView(data.buffer);
    for (let at = 0; at < elements; at++) {
      const value = valueAt(salt, index, at);
      if (dtype === "F32") view.setFloat32(at * 4, value, true);
      else if (dtype === "F64") view.setFloat64(at * 8, value, true);
      else if (dtype === "I64") view.setBigInt64(at * 8, BigInt(at), true);
      else view.setUint16(at * 2, Number(roundFloat(dtype, value)), true);
    }
    return { name, dtype, shape, data };
  });
}

/** An input's statistics: positive numbers for each element, or a positive definite matrix for each weight of rank 2. */
function sidecarTensors(kind: "elements" | "columns", salt: number, specs: readonly TensorSpec[]): TestTensor[] {
  return specs.flatMap(({ name, shape, dtype }): TestTensor[] => {
    if (dtype === "I64") return [];
    if (kind === "columns") {
      // All the matrices here are as wide as the axis that is 6 long.
      if (shape.length !== 2 || !shape.includes(6)) return [];
      const values = Array.from({ length: 36 }, (_, at) =>
        at % 7 === 0 ? 2 + Math.abs(Math.sin(at + salt)) : 0.2 * Math.sin(salt),
      );
      return [{ name, dtype: "F64", shape: [6, 6], data: new Uint8Array(new Float64Array(values).buffer) }];
    }
    const elements = shape.reduce((product, size) => product * size, 1);
    const values = Float32Array.from({ length: elements }, (_, at) => Math.abs(Math.sin(at * 0.7 + salt)) * 0.01);
    return [{ name, dtype: "F32", shape, data: new Uint8Array(values.buffer) }];
  });
}

/** Matrices that regmean reads as [out, in] or [in, out] have to fit their statistics. */
function specsFor({ method, parameters }: MethodCase): readonly TensorSpec[] {
  if (method.sidecar !== "columns") return TENSORS;
  const layout = parameters["layout"];
  if (layout === "in-out") return TENSORS.filter(({ name }) => name !== "layers.0.weight");
  if (layout === "out-in") return TENSORS.filter(({ name }) => name !== "layers.3/kernel");
  return TENSORS;
}

export interface CaseFiles {
  readonly recipe: { readonly method: string; readonly inputs: readonly Record<string, unknown>[] } & Record<
    string,
    unknown
  >;
  readonly files: readonly FusionInput[];
}

/** @param salts of the inputs, then of the base; equal salts give equal tensors in different files */
export async function filesFor(test: MethodCase, salts: readonly number[] = [1, 2, 3, 4]): Promise<CaseFiles> {
  const { method, parameters } = test;
  const specs = specsFor(test);
  const count = Math.min(method.inputs.most, Math.max(method.inputs.least, salts.length - 1));
  const members = await Promise.all(
    Array.from({ length: count }, (_, index) =>
      inputOf(writeCheckpoint(tensorsOf(salts[index] ?? 0, specs), { note: `${index}` })),
    ),
  );
  const base =
    method.base === "none"
      ? undefined
      : await inputOf(writeCheckpoint(tensorsOf(salts.at(-1) ?? 0, specs).toReversed()));
  const { sidecar } = method;
  const sidecars =
    sidecar === undefined
      ? []
      : await Promise.all(
          members.map((_, index) => inputOf(writeCheckpoint(sidecarTensors(sidecar, index + 1, specs)))),
        );
  const recipe = {
    method: method.id,
    inputs: members.map(({ id }, index) => ({
      checkpoint: id,
      ...(method.weights && parameters["semantics"] !== "original" ? { weight: 0.5 + index } : {}),
      ...(sidecars[index] === undefined ? {} : { statistics: sidecars[index].id }),
    })),
    ...(base === undefined ? {} : { base: base.id }),
    parameters,
  };
  return { recipe, files: [...members, ...sidecars, ...(base === undefined ? [] : [base])] };
}
