/** A piece of a page. Whatever is not one is escaped where it goes into one, so nothing is taken for markup by mistake. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Piece = Html | string | number | undefined | readonly Piece[];

/** Markup from a template: its own text as it stands, everything that is put in escaped unless it is {@link Html}. */
export function html(strings: TemplateStringsArray, ...pieces: readonly Piece[]): Html {
  return new Html(strings.reduce((text, string, index) => text + textOf(pieces[index - 1]) + string));
}

function textOf(piece: Piece): string {
  if (piece === undefined) return "";
  if (piece instanceof Html) return piece.text;
  return typeof piece === "object" ? piece.map(textOf).join("") : escapeHtml(String(piece));
}

/** Good for text and for attributes in double quotes. */
export function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

/** Prose of the API description, in which `…` is code. */
export function prose(text: string): Html {
  return new Html(escapeHtml(text).replaceAll(/`([^`]+)`/g, "<code>$1</code>"));
}
