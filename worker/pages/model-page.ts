import { html, type Html } from "../docs/html.ts";
import { page } from "../docs/page.ts";
import type { FixedText } from "../routes/text.ts";
import { barrierSection } from "./barrier-section.ts";
import { loadingSection, type ReaderAccess } from "./loading-section.ts";
import { madeOf } from "./made-of.ts";
import type { ModelFacts } from "./model-facts.ts";
import { MODEL_STYLE } from "./model-style.ts";
import { soupSection } from "./soup-section.ts";
import { factList } from "./table.ts";
import { byteWords, countWords, timeWords } from "./words.ts";

/**
 * The page about a model, for people: what it is, what it was made of, what lies between its inputs, what the gate said,
 * and how to load it. Whole in itself; it runs nothing.
 */
export function modelPage({ description, architecture, size }: ModelFacts, access: ReaderAccess): FixedText {
  const { id, alias, state, visibility, recipe, manifest, gate } = description;
  const name = alias ?? `Model ${id.slice(0, 12)}`;
  const names = new Map(
    manifest?.inputs.flatMap((input) => (input.name === null ? [] : [[input.checkpoint as string, input.name]])),
  );
  const body = html`<main class="layout model">
    <h1>${name}</h1>
    <p class="id"><code>${id}</code></p>
    <ul class="lead" aria-label="In short">
      <li class="${STATES[state].mark}">${STATES[state].word}</li>
      <li>${visibility}</li>
      <li>${recipe.method}, ${recipe.inputs.length === 1 ? "1 input" : `${recipe.inputs.length} inputs`}</li>
      ${architecture === null ? undefined : html`<li>${architecture.architecture}</li>`}
      ${gate === null ? undefined : html`<li class="${GATES[gate.state].mark}">${GATES[gate.state].word}</li>`}
    </ul>
    ${stateText(description)}
    ${factList([
      ["Size", byteWords(description.bytes)],
      [
        "Parameters",
        size === null ? undefined : `${countWords(size.parameters)} in ${countWords(size.tensors)} tensors`,
      ],
      ["SHA-256", description.sha256 === null ? undefined : html`<code>${description.sha256}</code>`],
      [state === "succeeded" ? "Made" : "Asked for", timeWords(description.createdAt)],
      [
        "Engine",
        manifest === null ? undefined : `${manifest.engine.name} ${manifest.engine.version}, ${manifest.path}`,
      ],
    ])}
    ${madeOf(description)} ${barrierSection(description)}
    ${manifest?.selection === undefined ? undefined : soupSection(manifest.selection, names)}
    ${loadingSection(description, access)} ${fileList(description, access)}
    <footer>
      <p>Served by <a href="/">edgefuse</a>. <a href="/docs">API</a>. For machines: this address as JSON.</p>
    </footer>
  </main>`;
  return page(`${name} · edgefuse`, body, MODEL_STYLE);
}

type Description = ModelFacts["description"];

const STATES = {
  succeeded: { word: "stored", mark: "good" },
  lazy: { word: "computed when read", mark: "good" },
  queued: { word: "waiting to be made", mark: "fair" },
  running: { word: "being made", mark: "fair" },
  failed: { word: "failed", mark: "poor" },
  cancelled: { word: "cancelled", mark: "poor" },
} as const satisfies Record<Description["state"], { word: string; mark: string }>;

const GATES = {
  pending: { word: "gate pending", mark: "fair" },
  passed: { word: "gate passed", mark: "good" },
  refused: { word: "gate refused", mark: "poor" },
} as const;

/** What there is to say of a state, where it is not simply that the model is there. */
function stateText({ state, progress, problem }: Description): Html | undefined {
  switch (state) {
    case "succeeded":
      return undefined;
    case "lazy":
      return html`<p>
        The model is not stored: what is read of it is computed from its inputs, byte for byte what will be stored once
        someone has read all of it.
      </p>`;
    case "queued":
    case "running": {
      const { bytesDone, bytes, partsDone, parts } = progress;
      return html`<p>
          ${byteWords(bytesDone)} of ${byteWords(bytes)} are made, ${partsDone} of ${parts} parts. It can be read
          already.
        </p>
        <progress max="${bytes}" value="${bytesDone}" aria-label="Made">${bytesDone}</progress>`;
    }
    case "failed":
      return html`<p class="poor">The fusion failed, so there is nothing to read.</p>
        ${problem === null ? undefined : html`<p><code>${problem.code}</code>: ${problem.detail}</p>`}`;
    case "cancelled":
      return html`<p>The fusion was cancelled, so there is nothing to read. The same recipe can be asked for anew.</p>`;
    default:
      return state satisfies never;
  }
}

function fileList({ id, files, links }: Description, { query }: ReaderAccess): Html | undefined {
  const pictures = [links.barrier, links.badge].filter((link) => link !== null);
  if (files.length === 0 && pictures.length === 0) return undefined;
  const all = [...files.map((file) => `/models/${id}/${file}`), ...pictures];
  return html`<section>
    <h2 id="files">Files</h2>
    <ul>
      ${all.map((path) => html`<li><a href="${path}${query}">${path.slice(path.lastIndexOf("/") + 1)}</a></li> `)}
    </ul>
  </section>`;
}
