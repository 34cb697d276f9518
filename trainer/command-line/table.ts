/**
 * Lines of a table: cells of a column as wide as its widest, two spaces between columns, nothing after the last.
 * @param align for each column; what is left out is "left"
 */
export function tableLines(rows: readonly (readonly string[])[], align: readonly ("left" | "right")[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
  }
  return rows.map((row) =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return align[column] === "right" ? cell.padStart(width) : cell.padEnd(width);
      })
      .join("  ")
      .trimEnd(),
  );
}
