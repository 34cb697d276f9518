/**
 * The matrix product after Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (TOMS 34:3): both
 * operands are packed into panels, which makes every transposition equally fast, and a register tile of 6 x 8 walks over
 * them. 12 accumulators, two vectors of B and one broadcast of A are the 15 vector registers V8 has on x64.
 */
import { packA, packB, TILE_COLUMNS, TILE_ROWS } from "./packing";

/** Panels of this depth, one of A and one of B, stay in a 32 KiB first-level cache. */
export const BLOCK_DEPTH: i32 = 384;
/** This many packed rows of A stay in a 512 KiB second-level cache. A multiple of `TILE_ROWS`. */
export const BLOCK_ROWS: i32 = 192;
/** A multiple of `TILE_COLUMNS`. */
export const BLOCK_COLUMNS: i32 = 1024;

export const TILE_BYTES: usize = 256;
/** Between panels lies room, so that their lines do not all fall into the same sets of a cache. */
export const PANEL_GAP: usize = 64;
export const PACKED_A_BYTES: usize = <usize>(BLOCK_ROWS * BLOCK_DEPTH * 4) + <usize>(BLOCK_ROWS / TILE_ROWS) * PANEL_GAP;
const PACKED_B_BYTES: usize = <usize>(BLOCK_COLUMNS * BLOCK_DEPTH * 4);

/** Bytes of scratch that `product` needs. */
export function workspaceBytes(): usize {
  return TILE_BYTES + PACKED_A_BYTES + PACKED_B_BYTES;
}

/**
 * out[rows, columns] = op(a) op(b) + bias, then ReLU if asked.
 * @param a [rows, depth], or [depth, rows] if `transposeA`
 * @param b [depth, columns], or [columns, depth] if `transposeB`
 * @param bias [columns], or 0 for none
 * @param workspace `workspaceBytes()` bytes of scratch
 */
export function product(
  a: usize,
  transposeA: bool,
  b: usize,
  transposeB: bool,
  out: usize,
  rows: i32,
  columns: i32,
  depth: i32,
  bias: usize,
  relu: bool,
  workspace: usize,
): void {
  const edge = workspace;
  const packedA = workspace + TILE_BYTES;
  const packedB = packedA + PACKED_A_BYTES;
  const outStride = (<usize>columns) << 2;
  // Equal blocks rather than full ones and a thin rest. An empty product still runs once: it is bias and ReLU.
  const blocks = depth > 0 ? (depth + BLOCK_DEPTH - 1) / BLOCK_DEPTH : 1;
  const blockDepth = (depth + blocks - 1) / blocks;

  for (let column = 0; column < columns; column += BLOCK_COLUMNS) {
    const blockColumns = min(BLOCK_COLUMNS, columns - column);
    for (let block = 0; block < blocks; block++) {
      const k = block * blockDepth;
      const kCount = min(blockDepth, depth - k);
      const first = block == 0;
      const last = block == blocks - 1;
      packB(b, transposeB, column, blockColumns, k, kCount, transposeB ? depth : columns, packedB, (<usize>kCount) << 5);
      for (let row = 0; row < rows; row += BLOCK_ROWS) {
        const blockRows = min(BLOCK_ROWS, rows - row);
        packA(a, transposeA, row, blockRows, k, kCount, transposeA ? rows : depth, packedA);
        for (let j = 0; j < blockColumns; j += TILE_COLUMNS) {
          const panelB = packedB + ((<usize>(j * kCount)) << 2);
          const tileBias = last && bias != 0 ? bias + ((<usize>(column + j)) << 2) : 0;
          for (let i = 0; i < blockRows; i += TILE_ROWS) {
            const panelA = packedA + ((<usize>(i * kCount)) << 2);
            const target = out + <usize>(row + i) * outStride + ((<usize>(column + j)) << 2);
            const tileRows = min(TILE_ROWS, blockRows - i);
            const tileColumns = min(TILE_COLUMNS, blockColumns - j);
            if (tileRows == TILE_ROWS && tileColumns == TILE_COLUMNS) {
              tile(panelA, panelB, kCount, target, outStride, !first, tileBias, last && relu);
            } else {
              tile(panelA, panelB, kCount, edge, (<usize>TILE_COLUMNS) << 2, false, 0, false);
              mergeEdge(edge, target, outStride, tileRows, tileColumns, !first, tileBias, last && relu);
            }
          }
        }
      }
    }
  }
}

/** The register tile: out[6, 8] (+)= panel of A times panel of B, with the epilogue of the last block. */
export function tile(
  a: usize,
  b: usize,
  depth: i32,
  out: usize,
  outStride: usize,
  accumulate: bool,
  bias: usize,
  relu: bool,
): void {
  let c00 = f32x4.splat(0);
  let c01 = c00;
  let c10 = c00;
  let c11 = c00;
  let c20 = c00;
  let c21 = c00;
  let c30 = c00;
  let c31 = c00;
  let c40 = c00;
  let c41 = c00;
  let c50 = c00;
  let c51 = c00;
  // Not unrolled on purpose: V8 then spills accumulators (measured: 36 instead of 50 GFLOP/s on Zen 3).
  for (let k = depth; k > 0; k--) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    let x = v128.load_splat<f32>(a);
    c00 = f32x4.relaxed_madd(x, b0, c00);
    c01 = f32x4.relaxed_madd(x, b1, c01);
    x = v128.load_splat<f32>(a, 4);
    c10 = f32x4.relaxed_madd(x, b0, c10);
    c11 = f32x4.relaxed_madd(x, b1, c11);
    x = v128.load_splat<f32>(a, 8);
    c20 = f32x4.relaxed_madd(x, b0, c20);
    c21 = f32x4.relaxed_madd(x, b1, c21);
    x = v128.load_splat<f32>(a, 12);
    c30 = f32x4.relaxed_madd(x, b0, c30);
    c31 = f32x4.relaxed_madd(x, b1, c31);
    x = v128.load_splat<f32>(a, 16);
    c40 = f32x4.relaxed_madd(x, b0, c40);
    c41 = f32x4.relaxed_madd(x, b1, c41);
    x = v128.load_splat<f32>(a, 20);
    c50 = f32x4.relaxed_madd(x, b0, c50);
    c51 = f32x4.relaxed_madd(x, b1, c51);
    a += 24;
    b += 32;
  }
  storeRow(out, c00, c01, accumulate, bias, relu);
  storeRow(out + outStride, c10, c11, accumulate, bias, relu);
  storeRow(out + outStride * 2, c20, c21, accumulate, bias, relu);
  storeRow(out + outStride * 3, c30, c31, accumulate, bias, relu);
  storeRow(out + outStride * 4, c40, c41, accumulate, bias, relu);
  storeRow(out + outStride * 5, c50, c51, accumulate, bias, relu);
}

function storeRow(out: usize, left: v128, right: v128, accumulate: bool, bias: usize, relu: bool): void {
  if (accumulate) {
    left = f32x4.add(left, v128.load(out));
    right = f32x4.add(right, v128.load(out, 16));
  }
  if (bias != 0) {
    left = f32x4.add(left, v128.load(bias));
    right = f32x4.add(right, v128.load(bias, 16));
  }
  if (relu) {
    // pmax(x, 0) is `x < 0 ? 0 : x`, which lets NaN through.
    left = f32x4.pmax(left, f32x4.splat(0));
    right = f32x4.pmax(right, f32x4.splat(0));
  }
  v128.store(out, left);
  v128.store(out, right, 16);
}

/** The epilogue for a tile that hangs over the edge of the result: only its valid part is written. */
export function mergeEdge(
  edge: usize,
  out: usize,
  outStride: usize,
  rows: i32,
  columns: i32,
  accumulate: bool,
  bias: usize,
  relu: bool,
): void {
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      const at = (<usize>j) << 2;
      let value = load<f32>(edge + ((<usize>(i * TILE_COLUMNS)) << 2) + at);
      if (accumulate) value += load<f32>(out + at);
      if (bias != 0) value += load<f32>(bias + at);
      if (relu && value < 0) value = 0;
      store<f32>(out + at, value);
    }
    out += outStride;
  }
}
