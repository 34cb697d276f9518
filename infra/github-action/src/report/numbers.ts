/** A fraction as a percentage: `97.25 %`. */
export function percent(fraction: number | null): string {
  return fraction === null ? "–" : `${(100 * fraction).toFixed(2)} %`;
}

/** A difference of two fractions in percentage points: `+0.25 points`. */
export function points(difference: number | null): string {
  if (difference === null) return "–";
  const text = (100 * difference).toFixed(2);
  return `${Number(text) > 0 ? "+" : ""}${Number(text) === 0 ? "0.00" : text} points`;
}

/** A loss, or a difference of losses. */
export function loss(value: number | null): string {
  if (value === null) return "–";
  const text = value.toFixed(4);
  return Number(text) === 0 ? "0.0000" : text;
}

/** Time between two moments: `42 s`, `3 min 05 s`, `2 h 07 min`. */
export function duration(from: string | null, to: string | null): string {
  if (from === null || to === null) return "–";
  const seconds = Math.max(0, Math.round((Date.parse(to) - Date.parse(from)) / 1000));
  const [minutes, hours] = [Math.floor(seconds / 60), Math.floor(seconds / 3600)];
  const two = (value: number) => String(value).padStart(2, "0");
  if (hours > 0) return `${hours} h ${two(minutes % 60)} min`;
  return minutes > 0 ? `${minutes} min ${two(seconds % 60)} s` : `${seconds} s`;
}

/** The beginning of a digest. */
export function short(id: string): string {
  return id.slice(0, 12);
}
