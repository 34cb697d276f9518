/** What moves a cursor, begins a line or turns the direction of text. */
// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]+/g;

const LONGEST = 2_000;

/** Text as a deployment takes it with a report: one line without control characters, that cannot be taken for an option. */
export function messageOf(text: string): string {
  const line = text.replaceAll(CONTROL, " ").trim();
  return (line.startsWith("-") ? `the option ${line}` : line).slice(0, LONGEST);
}
