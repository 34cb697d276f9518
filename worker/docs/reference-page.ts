import type { FixedText } from "../routes/text.ts";
import { type ApiDocument, type Operation, operationsOf, type Parameter, type Reference } from "./api-document.ts";
import { CONVENTIONS } from "./conventions.ts";
import { type Html, html, prose } from "./html.ts";
import { page } from "./page.ts";
import { contentHtml, type Member, membersHtml, nameOfReference, schemaAnchor, schemaHtml } from "./schema-html.ts";

type Entry = ReturnType<typeof operationsOf>[number];

/** The reference of the whole API as one page, made from its OpenAPI description. */
export function referencePage(document: ApiDocument): FixedText {
  const operations = operationsOf(document);
  const groups = (document.tags ?? []).map((tag) => ({
    ...tag,
    id: anchorOf(tag.name),
    entries: operations.filter(({ operation }) => operation.tags?.includes(tag.name)),
  }));
  const schemas = Object.entries(document.components.schemas).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const contents = html`<ul>
      <li class="group"><a href="#conventions">Conventions</a></li>
      ${CONVENTIONS.map(({ id, title }) => html`<li class="plain"><a href="#${id}">${title}</a></li> `)}
    </ul>
    ${groups.map(
      ({ name, id, entries }) =>
        html`<ul>
          <li class="group"><a href="#${id}">${name}</a></li>
          ${entries.map(
            (entry) =>
              html`<li>
                <a href="#${entryId(entry)}"
                  >${methodHtml(entry.method)}<code>${breakable(shortPath(entry.path))}</code></a
                >
              </li> `,
          )}
        </ul> `,
    )}
    <ul>
      <li class="group"><a href="#schemas">Schemas</a></li>
      <li class="group"><a href="/docs/problems">Problems</a></li>
    </ul>`;
  const body = html`<div class="layout two">
    <nav class="wide" aria-label="Contents">${contents}</nav>
    <main>
      <h1>${document.info.title} API</h1>
      <p>
        ${prose(document.info.description ?? "")} Version ${document.info.version}. For machines:
        <a href="/openapi.json">OpenAPI ${document.openapi}</a>.
      </p>
      <nav class="narrow" aria-label="Contents">
        <details>
          <summary>Contents</summary>
          ${contents}
        </details>
      </nav>
      <h2 id="conventions">Conventions</h2>
      ${CONVENTIONS.map(
        ({ id, title, text }) =>
          html`<section class="operation" id="${id}">
            <h3>${title}</h3>
            ${text}
          </section> `,
      )}
      ${groups.map(
        ({ name, id, description, entries }) =>
          html`<h2 id="${id}">${name}</h2>
            <p>${prose(description)}</p>
            ${entries.map((entry) => operationHtml(document, entry))}`,
      )}
      <h2 id="schemas">Schemas</h2>
      ${schemas.map(
        ([name, schema]) =>
          html`<section class="operation" id="${schemaAnchor(name)}">
            <h3><code>${name}</code></h3>
            ${schemaHtml(schema)}
          </section> `,
      )}
    </main>
  </div>`;
  return page(`${document.info.title} API`, body);
}

function operationHtml(document: ApiDocument, entry: Entry): Html {
  const { method, path, operation } = entry;
  const parameters = (operation.parameters ?? []).map((parameter) => resolve(document, parameter));
  const members = parameters.map(({ name, in: place, schema, required, description }): Member => ({
    name,
    schema,
    place,
    isRequired: required === true,
    description: description ?? schema.description,
  }));
  return html`<section class="operation" id="${entryId(entry)}">
    <h3>${operation.summary ?? operation.operationId}</h3>
    <p class="address">${methodHtml(method)} <code class="path">${breakable(path)}</code></p>
    <p class="soft">${accessHtml(operation)}</p>
    ${operation.description === undefined ? undefined : html`<p>${prose(operation.description)}</p>`}
    ${
      members.length === 0
        ? undefined
        : html`<h4>Parameters</h4>
            ${membersHtml(members)}`
    }
    ${
      operation.requestBody === undefined
        ? undefined
        : html`<h4>Body</h4>
            ${contentHtml(operation.requestBody.content)}`
    }
    <h4>Answers</h4>
    <dl class="answers">${answersHtml(operation)}</dl>
    <details class="nested">
      <summary>curl</summary>
      <pre>${curlOf(entry)}</pre>
    </details>
  </section> `;
}

/** Without problems, which every operation may answer with; the conventions tell of them. */
function answersHtml({ responses }: Operation): Html {
  const rows = Object.entries(responses).filter(([status]) => status !== "default");
  return html`${rows.map(([status, { description, content }]) => {
    const body = content === undefined ? undefined : contentHtml(content);
    return html`<dt><code>${status}</code></dt>
      <dd>${prose(description)}${body}</dd> `;
  })}`;
}

function accessHtml({ security }: Operation): Html {
  if (security === undefined) {
    return html`Open to anyone; private models take the scope <code>read</code> or a signed link.`;
  }
  const scopes = security.flatMap((alternative) => alternative["bearer"] ?? []);
  if (scopes.length === 0) return html`Takes a token.`;
  return html`Takes the scope
  ${scopes.map((scope) => html`<code>${scope}</code>`).reduce((all, one) => html`${all} or ${one}`)}.`;
}

/** A line to begin with; what stands in braces is to be filled in. */
function curlOf({ method, path, operation }: Entry): string {
  const types = Object.keys(operation.requestBody?.content ?? {});
  const words = ["curl"];
  if (method !== "GET") words.push(`-X ${method}`);
  if (operation.security !== undefined) words.push('-H "Authorization: Bearer $EDGEFUSE_TOKEN"');
  if (types.includes("application/octet-stream")) {
    words.push("-H 'Content-Type: application/octet-stream' --data-binary @model.safetensors");
  } else if (types.includes("application/json")) {
    words.push("-H 'Content-Type: application/json' -d @request.json");
  } else if (types.includes("multipart/form-data")) {
    words.push("-F a=@a.safetensors -F b=@b.safetensors -o fused.safetensors");
  }
  words.push(`"$EDGEFUSE_URL${path}"`);
  return words.join(" \\\n  ");
}

function methodHtml(method: string): Html {
  return html`<span class="method ${method.toLowerCase()}">${method}</span>`;
}

/** In the narrow column, where all paths begin alike. */
function shortPath(path: string): string {
  return path.replace(/^\/v1(?=\/)/, "");
}

/** A path that breaks where its steps end, if it must. */
function breakable(path: string): Html {
  return html`${path.split("/").map((step, index) => (index === 0 ? html`${step}` : html`/<wbr />${step}`))}`;
}

function entryId({ operation }: Entry): string {
  return operation.operationId ?? "";
}

function anchorOf(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-");
}

function resolve({ components }: ApiDocument, parameter: Parameter | Reference): Parameter {
  if (!("$ref" in parameter)) return parameter;
  const found = components.parameters?.[nameOfReference(parameter.$ref)];
  if (found === undefined) throw new Error(`the API description has no ${parameter.$ref}`);
  return found;
}
