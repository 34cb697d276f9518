import { Failure } from "../failure.ts";

/** Height and width of a CIFAR image. */
export const CIFAR_SIDE = 32;
const PIXELS = CIFAR_SIDE * CIFAR_SIDE;
const CHANNELS = 3;

/** How the records of a CIFAR binary file begin: one label (CIFAR-10), or a superclass and a class (CIFAR-100). */
export interface CifarRecord {
  /** Classes of each leading label byte; the last is the class that is learnt. */
  readonly labels: readonly number[];
}

/**
 * Parses a file of CIFAR's binary version (https://www.cs.toronto.edu/~kriz/cifar.html): records of one or two label
 * bytes and the red, green and blue planes of a 32x32 image, row by row. Any whole number of records is taken.
 * @param name for messages
 * @param into receives the images [n, 32, 32, 3], channels last as tfjs wants them, and the classes, from sample `first`
 * @returns records read
 * @throws Failure `bad-input`
 */
export function parseCifar(
  file: Uint8Array,
  name: string,
  { labels }: CifarRecord,
  { x, y }: { readonly x: Uint8Array; readonly y: Int32Array },
  first: number,
): number {
  const count = countCifarRecords(file, name, { labels });
  const length = recordLength({ labels });
  for (let record = 0; record < count; record++) {
    const begin = record * length;
    for (let byte = 0; byte < labels.length; byte++) {
      const label = file[begin + byte] ?? 0;
      const classes = labels[byte] ?? 0;
      if (label >= classes) {
        const which = byte === labels.length - 1 ? "label" : "superclass label";
        throw bad(name, `the ${which} of record ${record} is ${label}, and the classes are 0 to ${classes - 1}`);
      }
    }
    y[first + record] = file[begin + labels.length - 1] ?? 0;
    const red = begin + labels.length;
    let to = (first + record) * PIXELS * CHANNELS;
    for (let pixel = red; pixel < red + PIXELS; pixel++) {
      x[to++] = file[pixel] ?? 0;
      x[to++] = file[pixel + PIXELS] ?? 0;
      x[to++] = file[pixel + 2 * PIXELS] ?? 0;
    }
  }
  return count;
}

/**
 * Records in a file, judged by its length.
 * @throws Failure `bad-input` for an empty file or a part of a record
 */
export function countCifarRecords(file: Uint8Array, name: string, record: CifarRecord): number {
  const length = recordLength(record);
  if (file.length === 0) throw bad(name, "it is empty");
  if (file.length % length !== 0) {
    throw bad(name, `its ${file.length} bytes are no whole number of records of ${length} bytes`);
  }
  return file.length / length;
}

const recordLength = ({ labels }: CifarRecord) => labels.length + CHANNELS * PIXELS;

function bad(name: string, what: string): Failure {
  return new Failure("bad-input", `${name} is not a usable CIFAR binary file: ${what}. Get the file again.`);
}
