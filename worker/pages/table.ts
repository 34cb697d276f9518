import { html, type Html } from "../docs/html.ts";

export interface Column {
  readonly name: string;
  readonly isNumber?: boolean;
}

/** A table that becomes a list of cards where there is no room for columns: each cell then says what it is. */
export function cardTable(columns: readonly Column[], rows: readonly (readonly (Html | string)[])[]): Html {
  const classOf = ({ isNumber = false }: Column) => (isNumber ? "number" : "text");
  return html`<div class="scroll">
    <table class="cards">
      <thead>
        <tr>
          ${columns.map((column) => html`<th scope="col" class="${classOf(column)}">${column.name}</th> `)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (cells) =>
            html`<tr>
              ${columns.map(
                (column, index) =>
                  html`<td class="${classOf(column)}" data-label="${column.name}"><span>${cells[index]}</span></td> `,
              )}
            </tr> `,
        )}
      </tbody>
    </table>
  </div>`;
}

/** What is known, a line each; what is undefined has none. */
export function factList(facts: readonly (readonly [name: string, value: Html | string | number | undefined])[]): Html {
  const known = facts.filter(([, value]) => value !== undefined);
  return html`<dl class="facts">
    ${known.map(
      ([name, value]) =>
        html`<dt>${name}</dt>
          <dd>${value}</dd> `,
    )}
  </dl>`;
}
