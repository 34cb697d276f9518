import { readFile } from "node:fs/promises";
import { type EvaluationForm, evaluationForm, weightLayout } from "../../shared/api/evaluation-form.ts";
import { Failure } from "../failure.ts";

/** What a line says of an evaluation: on what, and how. Checked, and not yet read. */
export interface EvaluationValues {
  readonly shards: readonly string[];
  readonly dataset: string | undefined;
  readonly "data-dir": string | undefined;
  readonly statistics: "interpolated" | "recomputed";
  readonly calibration: string | undefined;
  readonly as: string | undefined;
  readonly topology: string | undefined;
  readonly batch: number | undefined;
}

/**
 * Reads `--as`: a layout's name, JSON, or a file of it.
 * @throws Failure `usage` where it is none of these
 */
export async function formFromOption(given: string | undefined): Promise<EvaluationForm | undefined> {
  if (given === undefined) return undefined;
  const layout = weightLayout.safeParse(given);
  if (layout.success) return { layout: layout.data };
  let value: unknown;
  try {
    value = JSON.parse(given.trimStart().startsWith("{") ? given : await readFile(given, "utf8"));
  } catch (error) {
    const what = `one of ${weightLayout.options.join(", ")}, JSON in braces, or a file of JSON`;
    throw new Failure("usage", `--as ${JSON.stringify(given)} is not valid: it takes ${what}.`, { cause: error });
  }
  const parsed = evaluationForm.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const where = issue === undefined || issue.path.length === 0 ? "" : `${issue.path.join(".")}: `;
  throw new Failure("usage", `--as: ${where}${issue?.message ?? "it is not valid"}.`);
}

/** `digits` or `digits@3`. @throws Failure `usage` */
export function parseDataset(text: string): { readonly dataset: string; readonly version?: number } {
  const [, dataset = "", version] = /^([a-z0-9][a-z0-9._-]{0,63})(?:@([1-9]\d{0,8}))?$/.exec(text) ?? [];
  if (dataset === "") {
    throw new Failure("usage", `${JSON.stringify(text)} is no dataset; write one such as digits or digits@3.`);
  }
  return version === undefined ? { dataset } : { dataset, version: Number(version) };
}
