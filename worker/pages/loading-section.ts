import type { ModelDescription } from "../../shared/api/models.ts";
import { html, type Html } from "../docs/html.ts";

/** How whoever reads the page got at the model, since they will get at its files in the same way. */
export interface ReaderAccess {
  /** Of the request, such as `https://models.example`. */
  readonly origin: string;
  /** The signed link's query, with its question mark; empty where there is none. */
  readonly query: string;
  /** Whether the files take a token. */
  readonly needsToken: boolean;
}

/** Lines to paste: how to load the model where people already are. */
export function loadingSection(
  { id, alias, files }: ModelDescription,
  { origin, query, needsToken }: ReaderAccess,
): Html | undefined {
  const folder = `${origin}${alias === null ? `/models/${id}` : `/models/@${alias}`}`;
  const file = files.includes("model.safetensors") ? "model.safetensors" : "model.safetensors.index.json";
  if (!files.includes(file)) return undefined;
  const bearer = needsToken ? '-H "Authorization: Bearer $EDGEFUSE_TOKEN" ' : "";
  const repository = alias ?? `models/${id}`;
  const isWhole = file === "model.safetensors";
  const hasTopology = files.includes("model.json");
  // Signed links open addresses by id, and Hugging Face's client sends tokens, not links.
  const takesHub = query === "";
  const code = (text: string) => html`<pre>${text}</pre>`;
  return html`<section>
    <h2 id="load">Load it</h2>
    <h3>curl</h3>
    ${code(`curl -fL ${bearer}-o ${file} \\\n'${folder}/${file}${query}'`)}
    ${hasTopology ? html`<h3>TensorFlow.js</h3>` : undefined}
    ${hasTopology ? code(tensorflow(`${folder}/model.json${query}`, needsToken)) : undefined}
    ${takesHub || isWhole ? html`<h3>Python</h3>` : undefined}
    ${takesHub ? code(pythonHub({ origin, repository, needsToken, isWhole })) : undefined}
    ${!takesHub && isWhole ? code(pythonDownload(`${folder}/${file}${query}`)) : undefined}
    ${query === "" ? html`<h3>edgefuse</h3>` : undefined}
    ${query === "" ? code(`EDGEFUSE_URL=${origin} edgefuse pull ${alias ?? id}`) : undefined}
  </section>`;
}

function tensorflow(address: string, needsToken: boolean): string {
  const options = needsToken ? ", { requestInit: { headers: { Authorization: `Bearer ${token}` } } }" : "";
  return `const url = "${address}";\nconst model = await tf.loadLayersModel(url${options});`;
}

interface HubAccess {
  readonly origin: string;
  readonly repository: string;
  readonly needsToken: boolean;
  /** Whether the model is one file; else it is a folder of shards with an index. */
  readonly isWhole: boolean;
}

function pythonHub({ origin, repository, needsToken, isWhole }: HubAccess): string {
  const [load, name] = isWhole ? ["hf_hub_download", ', "model.safetensors"'] : ["snapshot_download", ""];
  return [
    ...(needsToken ? ["import os"] : []),
    `from huggingface_hub import ${load}`,
    ...(isWhole ? ["from safetensors.numpy import load_file"] : []),
    "",
    `repository = "${repository}"`,
    `path = ${load}(repository${name}, endpoint="${origin}"${needsToken ? ', token=os.environ["EDGEFUSE_TOKEN"]' : ""})`,
    ...(isWhole ? ["weights = load_file(path)"] : []),
  ].join("\n");
}

/** For signed links, which Hugging Face's client does not carry. */
function pythonDownload(address: string): string {
  return [
    "from urllib.request import urlretrieve",
    "from safetensors.numpy import load_file",
    "",
    `url = "${address}"`,
    'path, _ = urlretrieve(url, "model.safetensors")',
    "weights = load_file(path)",
  ].join("\n");
}
