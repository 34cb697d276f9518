import type { CheckpointId, TopologyId } from "../identity.ts";
import { readExactly } from "../fusion/read-input.ts";
import { ConcatenatedSource, type SourcePiece } from "../fusion/sharded-source.ts";
import type { ByteSource, FusionInput } from "../fusion/source.ts";
import { MODEL_KEY } from "../models/architecture.ts";
import { TOPOLOGY_KEY } from "../models/form-keys.ts";
import { Problem } from "../problem.ts";
import { canonicalJson } from "../recipe/canonical-json.ts";
import { DTYPES, layoutInOrder, type SafetensorsLayout, type TensorInfo } from "../safetensors/index.ts";
import { architectureOf } from "./architecture.ts";
import { parseModelJson, storedBytes, type TfjsWeight } from "./model-json.ts";

/** A TF.js model as the safetensors file it amounts to, computed as it is read. */
export interface TfjsCheckpoint {
  readonly layout: SafetensorsLayout;
  /** The file, header included, by ranges. */
  readonly source: ByteSource;
}

/** A weight, and where it lies in the file and in the weight files put together. */
interface PlacedWeight {
  readonly tensor: TensorInfo;
  readonly weight: TfjsWeight;
  readonly storedBegin: number;
}

/**
 * Reads a TF.js model as a safetensors file: tensors in the manifest's order, under its names. float32, int32 and bool
 * stay as they are, float16 becomes F16, and numbers quantised to uint8 or uint16 are computed as TF.js computes them,
 * in float64, rounded to float32. Where the topology is an architecture of ours, `edgefuse.model` says so; else
 * `edgefuse.topology` names it, where it is given.
 * @param modelJson the bytes of `model.json`
 * @param topologyId of the topology, where it is kept
 * @param open opens a weight file by its name, which is safe: no folder, no `..`
 * @throws Problem `malformed-tfjs-model`, `unsupported-dtype`, `truncated-file` where weight files are too short; whatever
 *   `open` throws
 */
export async function convertTfjs(
  modelJson: Uint8Array,
  open: (file: string) => Promise<{ readonly source: ByteSource; readonly size: number }>,
  topologyId?: TopologyId,
): Promise<TfjsCheckpoint> {
  const { topology, groups } = parseModelJson(modelJson);
  const pieces: SourcePiece[] = [];
  const placed: PlacedWeight[] = [];
  let begin = 0;
  let storedBegin = 0;
  for (const { files, weights } of groups) {
    let available = 0;
    for (const file of files) {
      const { source, size } = await open(file);
      pieces.push({ source, offset: 0, length: size });
      available += size;
    }
    const needed = weights.reduce((sum, { length }) => sum + length, 0);
    checkLength(files, needed, available);
    for (const weight of weights) {
      const { dtype } = weight.encoding;
      const end = begin + (weight.elements * DTYPES[dtype].bits) / 8;
      placed.push({ tensor: { name: weight.name, dtype, shape: weight.shape, begin, end }, weight, storedBegin });
      begin = end;
      storedBegin += weight.length;
    }
  }
  const architecture = architectureOf(
    topology,
    placed.map(({ tensor }) => tensor),
  );
  const metadata: Record<string, string> = { format: "tf" };
  if (architecture !== undefined) metadata[MODEL_KEY] = canonicalJson(architecture);
  else if (topologyId !== undefined) metadata[TOPOLOGY_KEY] = topologyId;
  const layout = layoutInOrder(
    placed.map(({ tensor }) => tensor),
    metadata,
  );
  return { layout, source: new ConvertedSource(layout, placed, new ConcatenatedSource(pieces)) };
}

function checkLength(files: readonly string[], needed: number, available: number): void {
  const what = `The weights in ${files.join(", ")} have ${needed} bytes, the files ${available}.`;
  const members = { files, expectedBytes: needed, actualBytes: available };
  if (available < needed) throw new Problem("truncated-file", what, members);
  if (available > needed) throw new Problem("malformed-tfjs-model", what, members);
}

/** {@link convertTfjs} as an input of a fusion. */
export async function tfjsInput(
  id: CheckpointId,
  modelJson: Uint8Array,
  open: Parameters<typeof convertTfjs>[1],
): Promise<FusionInput> {
  const { layout, source } = await convertTfjs(modelJson, open);
  return { id, header: layout, source };
}

class ConvertedSource implements ByteSource {
  readonly #layout: SafetensorsLayout;
  readonly #placed: readonly PlacedWeight[];
  readonly #stored: ConcatenatedSource;

  constructor(layout: SafetensorsLayout, placed: readonly PlacedWeight[], stored: ConcatenatedSource) {
    this.#layout = layout;
    // Empty weights have no bytes to ask for.
    this.#placed = placed.filter(({ weight }) => weight.elements > 0);
    this.#stored = stored;
  }

  async read(begin: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
    const { dataOffset, fileLength, headerBytes } = this.#layout;
    if (end > fileLength) {
      throw new Problem("truncated-file", `The converted file has ${fileLength} bytes; byte ${end} is beyond them.`);
    }
    const bytes = new Uint8Array(Math.max(0, end - begin));
    if (begin < dataOffset) bytes.set(headerBytes.subarray(begin, Math.min(end, dataOffset)));
    await this.#readData(Math.max(begin, dataOffset) - dataOffset, end - dataOffset, bytes);
    return bytes;
  }

  /** Fills the end of `target` with the bytes `[begin, end)` of the data section: one range of the weight files. */
  async #readData(begin: number, end: number, target: Uint8Array<ArrayBuffer>): Promise<void> {
    const runs = this.#runs(begin, end);
    const first = runs[0];
    const last = runs.at(-1);
    if (first === undefined || last === undefined) return;
    const stored = await readExactly(this.#stored, first.storedBegin, last.storedEnd);
    const output = target.subarray(target.length - (end - begin));
    for (const run of runs) {
      const decoded = decode(
        run,
        stored.subarray(run.storedBegin - first.storedBegin, run.storedEnd - first.storedBegin),
      );
      // The range may cut into the first element and the last.
      const from = Math.max(begin, run.begin);
      const to = Math.min(end, run.begin + decoded.length);
      output.set(decoded.subarray(from - run.begin, to - run.begin), from - begin);
    }
  }

  /** Whole elements that hold the bytes `[begin, end)`, weight by weight. */
  #runs(begin: number, end: number): Run[] {
    if (begin >= end) return [];
    const runs: Run[] = [];
    for (let index = this.#indexAt(begin); index < this.#placed.length; index++) {
      const entry = this.#placed[index];
      if (entry === undefined || entry.tensor.begin >= end) break;
      const { tensor, weight, storedBegin } = entry;
      const width = DTYPES[tensor.dtype].bits / 8;
      const first = Math.max(0, Math.floor((begin - tensor.begin) / width));
      const last = Math.min(weight.elements, Math.ceil((end - tensor.begin) / width));
      const storedWidth = storedBytes(weight.encoding);
      runs.push({
        weight,
        begin: tensor.begin + first * width,
        count: last - first,
        storedBegin: storedBegin + first * storedWidth,
        storedEnd: storedBegin + last * storedWidth,
      });
    }
    return runs;
  }

  /** Index of the weight that holds a byte of the data section. */
  #indexAt(byte: number): number {
    let low = 0;
    let high = this.#placed.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#placed[middle]?.tensor.end ?? 0) <= byte) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

interface Run {
  readonly weight: TfjsWeight;
  /** First byte in the data section. */
  readonly begin: number;
  readonly count: number;
  readonly storedBegin: number;
  readonly storedEnd: number;
}

/** q * scale + min, as `decodeWeights` of tfjs-core computes it: in float64, then rounded, to whole numbers for int32. */
function decode({ weight: { encoding }, count }: Run, stored: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  if (encoding.kind === "plain") return stored;
  const { bytes, scale, min, dtype } = encoding;
  const view = new DataView(stored.buffer, stored.byteOffset, stored.byteLength);
  const decoded = new Uint8Array(4 * count);
  const output = new DataView(decoded.buffer);
  for (let index = 0; index < count; index++) {
    const value = (bytes === 1 ? view.getUint8(index) : view.getUint16(2 * index, true)) * scale + min;
    if (dtype === "F32") output.setFloat32(4 * index, value, true);
    else output.setInt32(4 * index, Math.round(value), true);
  }
  return decoded;
}
