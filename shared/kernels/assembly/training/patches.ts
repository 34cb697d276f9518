/**
 * Panels of the matrix whose rows are the patches of images (im2col), packed straight from the images: the matrix itself,
 * which is larger than the images by the size of a patch, is never made.
 */
import { TILE_ROWS } from "./packing";

/** Which patches of which images. Written by the caller, twelve 32-bit integers in this order. */
@unmanaged
export class Patches {
  /** Address of float32 [images, height, width, channels]. */
  image: usize;
  height: i32;
  width: i32;
  channels: i32;
  /** Patches of one image, down and across. */
  gridHeight: i32;
  gridWidth: i32;
  /** Pixels from patch to patch. */
  stepDown: i32;
  stepAcross: i32;
  /** First row and column of the first patch; negative in the padding. */
  top: i32;
  left: i32;
  patchHeight: i32;
  patchWidth: i32;
}

/** Bytes of scratch: one line of a patch for each row of a panel and one of zeros, then the rows' positions. */
export function lineBytes(patchWidth: i32, channels: i32): usize {
  return (<usize>(patchWidth * channels * (TILE_ROWS + 1))) * 4 + TILE_ROWS * 12;
}

/** Makes the scratch ready: the line of zeros. */
export function clearLines(patches: Patches, lines: usize): void {
  const bytes = (<usize>(patches.patchWidth * patches.channels)) << 2;
  memory.fill(lines + bytes * TILE_ROWS, 0, bytes);
}

/**
 * One line of a patch, all its columns and channels, which lie side by side in the image.
 * @param row row of the image, or beyond it
 * @param column first column, may be negative
 * @returns its address in the image; or `line`, filled, where the patch hangs over an edge; or `zeros`
 */
function lineOf(patches: Patches, image: i32, row: i32, column: i32, line: usize, zeros: usize): usize {
  const height = patches.height;
  const width = patches.width;
  const patchWidth = patches.patchWidth;
  if (row < 0 || row >= height) return zeros;
  const pixel = (<usize>patches.channels) << 2;
  const start = patches.image + <usize>((image * height + row) * width + column) * pixel;
  if (column >= 0 && column + patchWidth <= width) return start;
  const from = max(0, -column);
  const until = min(patchWidth, width - column);
  if (from >= until) return zeros;
  memory.fill(line, 0, <usize>from * pixel);
  memory.copy(line + <usize>from * pixel, start + <usize>from * pixel, <usize>(until - from) * pixel);
  memory.fill(line + <usize>until * pixel, 0, <usize>(patchWidth - until) * pixel);
  return line;
}

/**
 * Packs `rows` patches from number `row` on, elements [k, k + depth) of each, as `packA` packs rows of a matrix.
 * @param lines scratch of `lineBytes`, cleared
 */
export function packPatches(patches: Patches, row: i32, rows: i32, k: i32, depth: i32, to: usize, lines: usize): void {
  const length = patches.patchWidth * patches.channels;
  const bytes = (<usize>length) << 2;
  const zeros = lines + bytes * TILE_ROWS;
  const positions = zeros + bytes;
  let across = row % patches.gridWidth;
  const line = row / patches.gridWidth;
  let down = line % patches.gridHeight;
  let image = line / patches.gridHeight;
  const end = k + depth;

  for (let i = 0; i < rows; i += TILE_ROWS) {
    for (let lane = 0; lane < TILE_ROWS; lane++) {
      const at = positions + (<usize>lane) * 12;
      const real = i + lane < rows;
      store<i32>(at, image);
      // A row past the last one is a patch far above the image.
      store<i32>(at, real ? patches.top + down * patches.stepDown : -0x40000000, 4);
      store<i32>(at, patches.left + across * patches.stepAcross, 8);
      if (real && ++across == patches.gridWidth) {
        across = 0;
        if (++down == patches.gridHeight) {
          down = 0;
          image++;
        }
      }
    }
    for (let part = k / length; part * length < end; part++) {
      const skip = max(k - part * length, 0);
      const count = min(end - part * length, length) - skip;
      const offset = (<usize>skip) << 2;
      packLines(
        lineAt(patches, positions, 0, part, lines, zeros) + offset,
        lineAt(patches, positions, 1, part, lines, zeros) + offset,
        lineAt(patches, positions, 2, part, lines, zeros) + offset,
        lineAt(patches, positions, 3, part, lines, zeros) + offset,
        lineAt(patches, positions, 4, part, lines, zeros) + offset,
        lineAt(patches, positions, 5, part, lines, zeros) + offset,
        count,
        to,
      );
      to += <usize>count * 24;
    }
  }
}

function lineAt(patches: Patches, positions: usize, lane: i32, part: i32, lines: usize, zeros: usize): usize {
  const at = positions + (<usize>lane) * 12;
  const line = lines + ((<usize>(lane * patches.patchWidth * patches.channels)) << 2);
  return lineOf(patches, load<i32>(at), load<i32>(at, 4) + part, load<i32>(at, 8), line, zeros);
}

/** Six lines side by side: for each element, its six values. */
function packLines(p0: usize, p1: usize, p2: usize, p3: usize, p4: usize, p5: usize, count: i32, to: usize): void {
  let n = 0;
  for (; n + 4 <= count; n += 4) {
    const at = (<usize>n) << 2;
    const r0 = v128.load(p0 + at);
    const r1 = v128.load(p1 + at);
    const r2 = v128.load(p2 + at);
    const r3 = v128.load(p3 + at);
    const r4 = v128.load(p4 + at);
    const r5 = v128.load(p5 + at);
    const low01 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5);
    const low23 = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5);
    const low45 = v128.shuffle<f32>(r4, r5, 0, 4, 1, 5);
    const high01 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
    const high23 = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
    const high45 = v128.shuffle<f32>(r4, r5, 2, 6, 3, 7);
    v128.store(to, v128.shuffle<u64>(low01, low23, 0, 2));
    v128.store_lane<u64>(to, low45, 0, 16);
    v128.store(to, v128.shuffle<u64>(low01, low23, 1, 3), 24);
    v128.store_lane<u64>(to, low45, 1, 40);
    v128.store(to, v128.shuffle<u64>(high01, high23, 0, 2), 48);
    v128.store_lane<u64>(to, high45, 0, 64);
    v128.store(to, v128.shuffle<u64>(high01, high23, 1, 3), 72);
    v128.store_lane<u64>(to, high45, 1, 88);
    to += 96;
  }
  for (; n < count; n++) {
    const at = (<usize>n) << 2;
    store<f32>(to, load<f32>(p0 + at));
    store<f32>(to, load<f32>(p1 + at), 4);
    store<f32>(to, load<f32>(p2 + at), 8);
    store<f32>(to, load<f32>(p3 + at), 12);
    store<f32>(to, load<f32>(p4 + at), 16);
    store<f32>(to, load<f32>(p5 + at), 20);
    to += 24;
  }
}

/**
 * Packs elements [row, row + rows) of `depth` patches from number k on, as `packA` packs the rows of a transposed matrix:
 * for each patch, six consecutive elements.
 * @param panelStep bytes from panel to panel
 * @param lines scratch of `lineBytes`, cleared
 */
export function packPatchElements(
  patches: Patches,
  row: i32,
  rows: i32,
  k: i32,
  depth: i32,
  to: usize,
  panelStep: usize,
  lines: usize,
): void {
  const length = patches.patchWidth * patches.channels;
  const zeros = lines + ((<usize>(length * TILE_ROWS)) << 2);
  let across = k % patches.gridWidth;
  const line = k / patches.gridWidth;
  let down = line % patches.gridHeight;
  let image = line / patches.gridHeight;
  const end = row + rows;
  const firstPart = row / length;
  const over = rows % TILE_ROWS;
  if (over > 0) memory.fill(to + <usize>(rows / TILE_ROWS) * panelStep, 0, <usize>depth * 24);

  for (let n = 0; n < depth; n++, to += 24) {
    const top = patches.top + down * patches.stepDown;
    const left = patches.left + across * patches.stepAcross;
    let panel = to;
    let lane = 0;
    for (let part = firstPart; part * length < end; part++) {
      const skip = max(row - part * length, 0);
      let count = min(end - part * length, length) - skip;
      let from = lineOf(patches, image, top + part, left, lines, zeros) + ((<usize>skip) << 2);
      // The rest of a panel begun by the line before.
      for (; lane > 0 && count > 0; count--, from += 4) {
        store<f32>(panel + ((<usize>lane) << 2), load<f32>(from));
        if (++lane == TILE_ROWS) {
          lane = 0;
          panel += panelStep;
        }
      }
      for (; count >= TILE_ROWS; count -= TILE_ROWS, from += 24, panel += panelStep) {
        v128.store(panel, v128.load(from));
        store<u64>(panel, load<u64>(from, 16), 16);
      }
      for (; count > 0; count--, lane++, from += 4) store<f32>(panel + ((<usize>lane) << 2), load<f32>(from));
    }
    if (++across == patches.gridWidth) {
      across = 0;
      if (++down == patches.gridHeight) {
        down = 0;
        image++;
      }
    }
  }
}
