import { Problem } from "../../problem.ts";
import { breadcrumbsTies } from "./breadcrumbs-ties.ts";
import { breadcrumbs } from "./breadcrumbs.ts";
import { dareLinear } from "./dare-linear.ts";
import { dareTies } from "./dare-ties.ts";
import { dellaLinear } from "./della-linear.ts";
import { della } from "./della.ts";
import { fisher } from "./fisher.ts";
import { karcher } from "./karcher.ts";
import { linear } from "./linear.ts";
import type { FusionMethod } from "./method.ts";
import { modelStock } from "./model-stock.ts";
import { multislerp } from "./multislerp.ts";
import { nearswap } from "./nearswap.ts";
import { nuslerp } from "./nuslerp.ts";
import { passthrough } from "./passthrough.ts";
import { regmean } from "./regmean.ts";
import { sce } from "./sce.ts";
import { slerp } from "./slerp.ts";
import { taskArithmetic } from "./task-arithmetic.ts";
import { ties } from "./ties.ts";
import { uniformSoup } from "./uniform-soup.ts";

/** Every fusion method. A new one is a file here and a line in this list. */
export const FUSION_METHODS: readonly FusionMethod[] = [
  linear,
  uniformSoup,
  slerp,
  nuslerp,
  multislerp,
  karcher,
  taskArithmetic,
  ties,
  dareLinear,
  dareTies,
  della,
  dellaLinear,
  breadcrumbs,
  breadcrumbsTies,
  modelStock,
  sce,
  nearswap,
  fisher,
  regmean,
  passthrough,
];

/** @throws Problem `unknown-method` */
export function fusionMethod(id: string): FusionMethod {
  const method = FUSION_METHODS.find((candidate) => candidate.id === id);
  if (method !== undefined) return method;
  const known = FUSION_METHODS.map((candidate) => candidate.id).join(", ");
  throw new Problem("unknown-method", `There is no method ${JSON.stringify(id)}; known: ${known}.`, { method: id });
}
