import type { Content, Schema } from "./api-document.ts";
import { type Html, html, prose } from "./html.ts";

/** Deeper than anyone reads; the component's own entry says the rest. */
const MAX_DEPTH = 4;

/** Where a component is explained on the page. */
export function schemaAnchor(name: string): string {
  return `schema-${name}`;
}

/** Last step of `#/components/schemas/Name`. */
export function nameOfReference(reference: string): string {
  return reference.slice(reference.lastIndexOf("/") + 1);
}

/** What a value is, in a few words: `array of string`, `integer, 1 to 200`, a link to a component. */
export function typeOf(schema: Schema): Html {
  if (schema.$ref !== undefined) {
    const name = nameOfReference(schema.$ref);
    return html`<a href="#${schemaAnchor(name)}">${name}</a>`;
  }
  const forms = schema.anyOf ?? schema.oneOf;
  if (forms !== undefined) return forms.map(typeOf).reduce((all, form) => html`${all} or ${form}`);
  if (schema.allOf !== undefined) return schema.allOf.map(typeOf).reduce((all, form) => html`${all} and ${form}`);
  if (schema.const !== undefined) return html`<code>${JSON.stringify(schema.const)}</code>`;
  if (schema.enum !== undefined) {
    return schema.enum
      .map((value) => html`<code>${JSON.stringify(value)}</code>`)
      .reduce((all, one) => html`${all} or ${one}`);
  }
  const types = typeof schema.type === "string" ? [schema.type] : (schema.type ?? ["any value"]);
  const named = types.map((type) => namedType(type, schema)).reduce((all, one) => html`${all} or ${one}`);
  return html`${named}${rangeOf(schema)}`;
}

function namedType(type: string, schema: Schema): Html {
  if (type === "array" && schema.items !== undefined) return html`array of ${typeOf(schema.items)}`;
  if (type === "object" && typeof schema.additionalProperties === "object") {
    return html`object of ${typeOf(schema.additionalProperties)}`;
  }
  return schema.format === "binary" ? html`bytes` : html`${type}`;
}

function rangeOf({ minimum, maximum, exclusiveMinimum, exclusiveMaximum, pattern, ...schema }: Schema): Html {
  const parts: Html[] = [];
  if (minimum !== undefined && maximum !== undefined) parts.push(html`, ${minimum} to ${maximum}`);
  else if (minimum !== undefined) parts.push(html`, at least ${minimum}`);
  else if (maximum !== undefined) parts.push(html`, at most ${maximum}`);
  if (exclusiveMinimum !== undefined) parts.push(html`, above ${exclusiveMinimum}`);
  if (exclusiveMaximum !== undefined) parts.push(html`, below ${exclusiveMaximum}`);
  if (schema.maxItems !== undefined) parts.push(html`, ${schema.minItems ?? 0} to ${schema.maxItems} of them`);
  if (pattern !== undefined) parts.push(html`, <code>${pattern}</code>`);
  return html`${parts}`;
}

/** One thing with a name, a type and an explanation: a parameter, or a member of an object. */
export interface Member {
  readonly name: string;
  readonly schema: Schema;
  readonly isRequired: boolean;
  /** Such as "query". */
  readonly place?: string;
  readonly description?: string | undefined;
}

/** A list of members, the nested ones folded. */
export function membersHtml(members: readonly Member[], depth = 0): Html {
  const rows = members.map(({ name, schema, isRequired, place, description = schema.description }) => {
    const fallback =
      schema.default === undefined ? undefined : html` Default: <code>${JSON.stringify(schema.default)}</code>.`;
    const explained = description === undefined ? undefined : html`${prose(description)}.`;
    return html`<div>
      <dt>
        <code>${name}</code> <span class="type">${typeOf(schema)}</span>${
          isRequired ? html` <span class="needed">required</span>` : undefined
        }${place === undefined ? undefined : html` <span class="type">in ${place}</span>`}
      </dt>
      <dd>${explained}${fallback}${nestedHtml(schema, depth)}</dd>
    </div> `;
  });
  return html`<dl class="members">${rows}</dl>`;
}

function nestedHtml(schema: Schema, depth: number): Html | undefined {
  const objects = objectsWithin(schema);
  if (objects.length === 0 || depth >= MAX_DEPTH) return undefined;
  return html`${objects.map(
    (object) =>
      html`<details class="nested">
        <summary>Members</summary>
        ${membersHtml(membersOf(object), depth + 1)}
      </details>`,
  )}`;
}

/** Objects that are spelled out in a schema: itself, its items, its forms. */
function objectsWithin(schema: Schema): Schema[] {
  if (schema.properties !== undefined) return [schema];
  const inner = [
    ...(schema.items === undefined ? [] : [schema.items]),
    ...(schema.anyOf ?? schema.oneOf ?? []),
    ...(typeof schema.additionalProperties === "object" ? [schema.additionalProperties] : []),
  ];
  return inner.flatMap(objectsWithin);
}

function membersOf({ properties = {}, required = [] }: Schema): Member[] {
  return Object.entries(properties).map(([name, schema]) => ({ name, schema, isRequired: required.includes(name) }));
}

/** Everything that a schema says. */
export function schemaHtml(schema: Schema): Html {
  const description = schema.description === undefined ? undefined : html`<p>${prose(schema.description)}.</p>`;
  if (schema.properties !== undefined) return html`${description}${membersHtml(membersOf(schema))}`;
  return html`${description}
    <p class="type">${typeOf(schema)}</p>
    ${nestedHtml(schema, 0)}`;
}

/** The forms that a body may have: media types of one schema together. */
export function contentHtml(content: Content): Html {
  const forms = new Map<string, { types: string[]; schema: Schema }>();
  for (const [type, { schema }] of Object.entries(content)) {
    const form = forms.get(JSON.stringify(schema)) ?? { types: [], schema };
    form.types.push(type);
    forms.set(JSON.stringify(schema), form);
  }
  return html`${[...forms.values()].map(({ types, schema }) => {
    const names = types.map((type) => html`<code>${type}</code>`).reduce((all, one) => html`${all}, ${one}`);
    return html`<p>${names}: <span class="type">${typeOf(schema)}</span></p>
      ${nestedHtml(schema, 0)}`;
  })}`;
}
