/** Compares names as people count: runs of digits by their value, all else by code units; `a-2` comes before `a-10`. */
export function naturalOrder(a: string, b: string): number {
  const [left, right] = [runs(a), runs(b)];
  for (let index = 0; index < Math.min(left.length, right.length); index++) {
    const [one = "", other = ""] = [left[index], right[index]];
    if (one === other) continue;
    if (isNumber(one) && isNumber(other)) {
      const [value, otherValue] = [BigInt(one), BigInt(other)];
      if (value !== otherValue) return value < otherValue ? -1 : 1;
    }
    return one < other ? -1 : 1;
  }
  return left.length - right.length;
}

const runs = (name: string): string[] => name.match(/\d+|\D+/g) ?? [];
const isNumber = (run: string) => /^\d/.test(run);
