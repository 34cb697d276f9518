import type { Point } from "./glyph-shapes.ts";

/**
 * Draws one straight stroke with round ends onto a square canvas: a pixel takes the ink times the share of it that the
 * stroke covers, judged by its distance to the line, and keeps the darkest ink it was given.
 * @param canvas row-major, `size` x `size`
 * @param from in pixels; pixel centres are whole numbers. May lie outside
 * @param pen half the stroke's width in pixels
 */
export function drawStroke(canvas: Float64Array, size: number, from: Point, to: Point, pen: number, ink: number): void {
  const [fromX, fromY] = from;
  const [alongX, alongY] = [to[0] - fromX, to[1] - fromY];
  const squaredLength = alongX * alongX + alongY * alongY;
  const reach = pen + 0.5;
  const left = Math.max(0, Math.ceil(Math.min(fromX, to[0]) - reach));
  const right = Math.min(size - 1, Math.floor(Math.max(fromX, to[0]) + reach));
  const top = Math.max(0, Math.ceil(Math.min(fromY, to[1]) - reach));
  const bottom = Math.min(size - 1, Math.floor(Math.max(fromY, to[1]) + reach));
  for (let row = top; row <= bottom; row++) {
    for (let column = left; column <= right; column++) {
      const [x, y] = [column - fromX, row - fromY];
      const share = squaredLength === 0 ? 0 : Math.min(1, Math.max(0, (x * alongX + y * alongY) / squaredLength));
      const [missX, missY] = [x - share * alongX, y - share * alongY];
      const coverage = Math.min(1, reach - Math.sqrt(missX * missX + missY * missY));
      const pixel = row * size + column;
      if (coverage > 0) canvas[pixel] = Math.max(canvas[pixel] ?? 0, coverage * ink);
    }
  }
}
