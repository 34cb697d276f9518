import { PROBLEMS } from "../../shared/problem.ts";

export const PROBLEM_PAGE_PATH = "/docs/problems";

const escapeHtml = (text: string) =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

/** The page that the `type` of every problem points into: one anchor a code. */
export function problemPage(): Response {
  const rows = Object.entries(PROBLEMS)
    .map(
      ([code, { status, title }]) =>
        `<tr id="${escapeHtml(code)}"><td><a href="#${escapeHtml(code)}"><code>${escapeHtml(code)}</code></a></td>` +
        `<td>${status}</td><td>${escapeHtml(title)}</td></tr>`,
    )
    .join("\n");
  const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>edgefuse: problems</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1b1f24; background: #fff; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .4rem .8rem .4rem 0; border-bottom: 1px solid #d0d7de; }
tr:target { background: #fff3bf; }
@media (prefers-color-scheme: dark) { body { color: #e6edf3; background: #0d1117; } a { color: #79c0ff; } tr:target { background: #4d3f00; } }
</style>
</head>
<body>
<h1>Problems</h1>
<p>Every error of this deployment is an <a href="https://www.rfc-editor.org/rfc/rfc9457">RFC 9457</a> problem document
(<code>application/problem+json</code>). Its <code>code</code> never changes its meaning; its <code>detail</code> says which
thing is wrong, and what to do about it.</p>
<table>
<thead><tr><th>Code</th><th>Status</th><th>Meaning</th></tr></thead>
<tbody>
${rows}
</tbody>
</table>
</body>
</html>
`;
  return new Response(html, {
    headers: {
      "content-type": "text/html; charset=utf-8",
      "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
      "x-content-type-options": "nosniff",
      "cache-control": "public, max-age=3600",
    },
  });
}
