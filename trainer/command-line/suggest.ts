import { nearestWord } from "../../shared/recipe/nearest-word.ts";

/** ` Did you mean --batch?`, or nothing. */
export function didYouMean(word: string, candidates: Iterable<string>, prefix = ""): string {
  const nearest = nearestWord(word, candidates);
  return nearest === undefined ? "" : ` Did you mean ${prefix}${nearest}?`;
}
