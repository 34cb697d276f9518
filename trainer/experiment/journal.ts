import { appendFile, mkdir, open, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import * as z from "zod";
import { Failure } from "../failure.ts";
import type { Measurement } from "./measurement.ts";

const quality = { loss: z.number(), accuracy: z.number() };

const measurementSchema = z.strictObject({
  repetition: z.int().min(1),
  seed: z.string(),
  diverged: z.int().min(0),
  members: z.array(z.strictObject(quality)),
  path: z.strictObject({
    points: z.array(z.strictObject({ alpha: z.number(), ...quality })),
    samples: z.int(),
    lossBarrier: z.number(),
    lossBarrierAlpha: z.number(),
    accuracyBarrier: z.number(),
    accuracyBarrierNormalized: z.number(),
    accuracyBarrierAlpha: z.number(),
  }),
  means: z.array(z.strictObject({ models: z.int(), ...quality })),
});

const entrySchema = z.strictObject({ key: z.string(), measurement: measurementSchema });

/**
 * What an experiment has measured so far, one JSON line a family, on disk as soon as it is known: a run that is killed
 * goes on where it was.
 */
export class Journal {
  readonly #path: string;
  readonly #known: Map<string, Measurement>;

  private constructor(path: string, known: Map<string, Measurement>) {
    this.#path = path;
    this.#known = known;
  }

  /**
   * Opens a journal, or begins one. A last line without its end, left by a kill, is dropped.
   * @throws Failure `bad-input` for lines that are not a journal's
   */
  static async open(path: string): Promise<Journal> {
    await mkdir(dirname(path), { recursive: true });
    const text = await readFile(path, "utf8").catch((error: unknown) => {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return "";
      throw error;
    });
    const whole = text.slice(0, text.lastIndexOf("\n") + 1);
    if (whole.length < text.length) {
      const file = await open(path, "r+");
      await file.truncate(Buffer.byteLength(whole));
      await file.close();
    }
    const known = new Map<string, Measurement>();
    for (const [index, line] of whole.split("\n").slice(0, -1).entries()) {
      const entry = parseEntry(line);
      if (entry === undefined) {
        throw new Failure(
          "bad-input",
          `${path}, line ${index + 1}: not a line of an experiment. Move the file away, or choose another --out.`,
        );
      }
      known.set(entry.key, entry.measurement);
    }
    return new Journal(path, known);
  }

  get(key: string): Measurement | undefined {
    return this.#known.get(key);
  }

  async add(key: string, measurement: Measurement): Promise<void> {
    await appendFile(this.#path, `${JSON.stringify({ key, measurement })}\n`, { flush: true });
    this.#known.set(key, measurement);
  }
}

function parseEntry(line: string): z.infer<typeof entrySchema> | undefined {
  try {
    return entrySchema.parse(JSON.parse(line));
  } catch {
    return undefined;
  }
}
