import { type Condition, type Setting, shareName } from "../study.ts";

/** Every category twice: without a mask, and with the base's share frozen. */
export function maskedAndNot(
  base: Setting,
  categories: readonly { readonly category: string; readonly setting: Partial<Setting> }[],
): Condition[] {
  return [0, base.fixedRatio].flatMap((fixedRatio) =>
    categories.map(({ category, setting }) => ({
      series: fixedRatio === 0 ? "no mask" : `${shareName(fixedRatio)} frozen`,
      category,
      setting: { ...base, models: 2, ...setting, fixedRatio },
    })),
  );
}
