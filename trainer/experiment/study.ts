import type { Architecture } from "../../shared/models/architecture.ts";
import type { LayerScope } from "../../shared/models/layer-scopes.ts";
import type { Dataset } from "../data/dataset.ts";
import type { Regime } from "../training/regime.ts";

/** Everything that decides how a family is trained but its seeds and its data. */
export interface Setting {
  readonly architecture: Architecture;
  readonly regime: Regime;
  /** Share of entries that are masked, in [0, 1). */
  readonly fixedRatio: number;
  readonly scope: "all" | LayerScope;
  /** `zero` is pruning at initialisation. */
  readonly frozenValue: "initial" | "zero";
  /** Each member starts from weights of its own, under the same mask. */
  readonly differentInit: boolean;
  /** Members of the family; the path is measured between the first two. */
  readonly models: number;
}

/** One setting of a study, and where it stands in the study's table and picture. */
export interface Condition {
  /** The curve or column group it belongs to, such as `40 % frozen`. */
  readonly series: string;
  /** Its place on the axis, such as `8 layers`. */
  readonly category: string;
  readonly setting: Setting;
}

/** What the command line fixes for all studies. */
export interface StudyOptions {
  readonly base: Setting;
  /** Shares to sweep, ascending. */
  readonly ratios: readonly number[];
  /** How many models the largest average has. */
  readonly models: number;
  readonly dataset: Dataset;
}

/** A question about barriers, and the settings that answer it. A new one is a file in `studies/` and a line in its index. */
export interface Study {
  readonly title: string;
  /** What it asks, in a sentence. */
  readonly question: string;
  /** What varies along the axis. */
  readonly axis: string;
  /** `path`: the barrier between two models. `mean`: that of the average of 2, 3, … models. */
  readonly measures: "path" | "mean";
  /** @throws Failure `usage` where the study does not apply to the architecture */
  conditions(options: StudyOptions): Condition[];
}

/** `40 %`, `12.5 %`; `none` for 0. */
export function shareName(ratio: number): string {
  return ratio === 0 ? "none" : `${Number((100 * ratio).toFixed(1))} %`;
}
