import type { Study } from "../study.ts";
import { depth } from "./depth.ts";
import { initialisation } from "./initialisation.ts";
import { models } from "./models.ts";
import { optimizer } from "./optimizer.ts";
import { pruning } from "./pruning.ts";
import { ratio } from "./ratio.ts";
import { scope } from "./scope.ts";
import { width } from "./width.ts";

/** Every study by name, in the order of the report. A new one is a file beside this and a line here. */
export const STUDIES = {
  ratio,
  pruning,
  models,
  depth,
  width,
  scope,
  initialisation,
  optimizer,
} as const satisfies Record<string, Study>;

export type StudyName = keyof typeof STUDIES;

export const STUDY_NAMES = Object.keys(STUDIES) as readonly StudyName[];
