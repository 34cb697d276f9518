/**
 * Markdown of GitHub's flavour from text that others wrote: labels, messages, logs. Nothing of it becomes a link, a
 * picture, a mention or markup.
 * @see https://github.github.com/gfm/
 */

/** Punctuation that means something, in Markdown or in HTML. A full stop would do so only after a number. */
const MARKUP = /[\\`*_{}[\]()#+!|<>&~^$]|https?(?=:)|www(?=\.)|:(?=\w)/g;

/** A line of text as text. */
export function plain(text: string): string {
  const line = text.replaceAll(/\s+/g, " ").trim();
  // Mentions and references are found also where punctuation is escaped: an empty comment parts them.
  return line.replaceAll(MARKUP, escapeMark).replaceAll("@", "@<!-- -->");
}

function escapeMark(mark: string): string {
  if (mark === "<") return "&lt;";
  if (mark === ">") return "&gt;";
  if (mark === "&") return "&amp;";
  // What a backslash does not help against is parted from what follows.
  return mark.length > 1 || mark === "#" || mark === ":" ? `${mark}<!-- -->` : `\\${mark}`;
}

/** Text as a span of code; also in a cell of a table. */
export function code(text: string): string {
  const line = text.replaceAll(/\s+/g, " ").trim();
  const fence = "`".repeat(1 + longestRun(line));
  const padding = line.startsWith("`") || line.endsWith("`") ? " " : "";
  return `${fence}${padding}${line.replaceAll("|", String.raw`\|`)}${padding}${fence}`;
}

/** Lines as a block of code. */
export function codeBlock(lines: readonly string[]): string {
  const text = lines.join("\n");
  const fence = "`".repeat(Math.max(3, 1 + longestRun(text)));
  return `${fence}text\n${text}\n${fence}`;
}

/** A link to an address of our own making. */
export function link(text: string, address: string): string {
  return `[${text}](${address.replaceAll("(", "%28").replaceAll(")", "%29").replaceAll(" ", "%20")})`;
}

/** @param columns titles; numbers are to the right, as of a column whose title begins with `>` */
export function table(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [
    line(columns.map((column) => column.replace(/^>/, ""))),
    line(columns.map((column) => (column.startsWith(">") ? "--:" : "---"))),
    ...rows.map(line),
  ].join("\n");
}

/** What is shown when it is asked for. */
export function details(title: string, body: string): string {
  return `<details><summary>${title}</summary>\n\n${body}\n\n</details>`;
}

/** The longest run of backticks. */
function longestRun(text: string): number {
  return Math.max(0, ...(text.match(/`+/g) ?? []).map((run) => run.length));
}
