import { PROBLEMS } from "../../shared/problem.ts";
import type { FixedText } from "../routes/text.ts";
import { html } from "./html.ts";
import { page } from "./page.ts";

/** The page that the `type` of every problem points into: one anchor a code. */
export function problemsPage(): FixedText {
  const rows = Object.entries(PROBLEMS).map(
    ([code, { status, title }]) =>
      html`<tr id="${code}">
        <td>
          <a href="#${code}"><code>${code}</code></a>
        </td>
        <td>${status}</td>
        <td>${title}</td>
      </tr> `,
  );
  const body = html`<main class="layout">
    <p><a href="/docs">edgefuse API</a></p>
    <h1>Problems</h1>
    <p>
      Every error of this deployment is an <a href="https://www.rfc-editor.org/rfc/rfc9457">RFC 9457</a> problem
      document (<code>application/problem+json</code>). Its <code>code</code> never changes its meaning; its
      <code>detail</code> says which thing is wrong, and what to do about it.
    </p>
    <table>
      <thead>
        <tr>
          <th>Code</th>
          <th>Status</th>
          <th>Meaning</th>
        </tr>
      </thead>
      <tbody>
        ${rows}
      </tbody>
    </table>
  </main>`;
  return page("edgefuse: problems", body);
}
