export { soupCandidate } from "./candidate.ts";
export { learnedBudget } from "./learned.ts";
export { soupIdOf, type SoupQuestion, soupRecipe } from "./recipe.ts";
export { searchSoup } from "./search.ts";
export { equalShares } from "./soup.ts";
export type { EvaluateMixture, SoupCandidate, SoupKind, SoupMeasure, SoupOutcome, SoupShare } from "./soup.ts";
