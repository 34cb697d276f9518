/** What a model's address answers with. Whoever asks for nothing in particular gets JSON, as from every other address. */
export type PageForm = "html" | "json";

/**
 * Which form an `Accept` field prefers (RFC 9110, section 12.5.1). HTML has to be named: `*`/`*` is what tools send.
 */
export function preferredForm(accept: string | undefined): PageForm {
  const [html, json] = [qualityOf(accept, "text/html"), qualityOf(accept, "application/json")];
  return html !== undefined && html > 0 && html >= (json ?? 0) ? "html" : "json";
}

/** The weight of a media type that a field names, in so many words. */
function qualityOf(accept: string | undefined, type: string): number | undefined {
  for (const range of (accept ?? "").split(",")) {
    const [name = "", ...parameters] = range.split(";").map((part) => part.trim().toLowerCase());
    if (name !== type) continue;
    const quality = parameters.find((parameter) => parameter.startsWith("q="))?.slice(2);
    const value = quality === undefined ? 1 : Number(quality);
    return Number.isFinite(value) ? Math.max(0, Math.min(1, value)) : 1;
  }
  return undefined;
}
