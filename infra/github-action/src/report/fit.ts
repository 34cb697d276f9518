/** A part of a report that may become shorter, or go. */
export interface Section {
  readonly text: string;
  /** Shorter forms, the longest first; each is whole Markdown. */
  readonly shorter?: readonly string[];
  /** Stays as it is. */
  readonly isKept?: boolean;
}

/**
 * Joins sections so that the whole is within a limit: the later ones become shorter first, and then go, one after the
 * other.
 * @param lengthOf of a text, in the limit's unit
 */
export function fit(sections: readonly Section[], limit: number, lengthOf: (text: string) => number): string {
  const forms = sections.map(({ text, shorter = [], isKept = false }) => (isKept ? [text] : [text, ...shorter, ""]));
  const chosen = forms.map(() => 0);
  const join = () =>
    forms
      .map((form, index) => form[chosen[index] ?? 0] ?? "")
      .filter((text) => text !== "")
      .join("\n\n");
  let whole = join();
  for (const [index, form] of [...forms.entries()].reverse()) {
    for (let next = 1; next < form.length && lengthOf(whole) > limit; next++) {
      chosen[index] = next;
      whole = join();
    }
  }
  return whole;
}
