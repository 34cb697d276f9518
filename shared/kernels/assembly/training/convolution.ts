/**
 * Convolutions as matrix products whose left operand, the patches of the images, is packed straight from the images
 * (implicit GEMM; Chetlur et al., "cuDNN", arXiv:1410.0759, section 3). Everything is float32, channels last.
 */
import { packB, TILE_COLUMNS, TILE_ROWS } from "./packing";
import { clearLines, packPatchElements, packPatches, Patches } from "./patches";
import {
  BLOCK_COLUMNS,
  BLOCK_DEPTH,
  BLOCK_ROWS,
  mergeEdge,
  PACKED_A_BYTES,
  PANEL_GAP,
  tile,
  TILE_BYTES,
} from "./product";

/** The other operand and the result of `convolve`. Written by the caller, ten 32-bit integers in this order. */
@unmanaged
export class Filter {
  /** Address of the first tap: a matrix [patch channels, columns], or [columns, patch channels] if transposed. */
  taps: usize;
  transposed: i32;
  /** Elements from tap to tap, down and across; negative where the filter is walked backwards. */
  tapDown: i32;
  tapAcross: i32;
  /** Elements between rows of a tap. */
  stride: i32;
  columns: i32;
  /** Address of what the first patch gives. */
  out: usize;
  /** Elements from result to result: across, down, and from image to image. */
  outAcross: i32;
  outDown: i32;
  outImage: i32;
}

/** Bytes of scratch for the addresses of a block's results. */
const ADDRESS_BYTES: usize = <usize>(BLOCK_ROWS * 4);

/** Bytes of scratch that a convolution needs beyond the lines of its patches and `workspaceBytes()`. */
export function addressBytes(): usize {
  return ADDRESS_BYTES;
}

/**
 * Every patch times the filter, plus bias, then ReLU if asked. The forward convolution; and its gradient with respect to
 * the image, whose patches are those of the upstream gradient.
 * @param bias [columns], or 0 for none
 * @param workspace `workspaceBytes()` bytes of scratch
 * @param lines `addressBytes()` bytes of scratch, then `lineBytes`
 */
export function convolve(
  patches: Patches,
  filter: Filter,
  images: i32,
  bias: usize,
  relu: bool,
  workspace: usize,
  lines: usize,
): void {
  const addresses = lines;
  lines += ADDRESS_BYTES;
  clearLines(patches, lines);
  const edge = workspace;
  const packedA = workspace + TILE_BYTES;
  const packedB = packedA + PACKED_A_BYTES;
  const columns = filter.columns;
  const grid = patches.gridHeight * patches.gridWidth;
  const rows = images * grid;
  const depth = patches.patchHeight * patches.patchWidth * patches.channels;
  const dense =
    filter.outDown == patches.gridWidth * filter.outAcross && filter.outImage == patches.gridHeight * filter.outDown;
  const outStride = (<usize>filter.outAcross) << 2;
  const blocks = (depth + BLOCK_DEPTH - 1) / BLOCK_DEPTH;
  // A multiple of four, which `packPatches` takes at a time.
  const blockDepth = ((depth + blocks - 1) / blocks + 3) & ~3;

  for (let column = 0; column < columns; column += BLOCK_COLUMNS) {
    const blockColumns = min(BLOCK_COLUMNS, columns - column);
    for (let k = 0; k < depth; k += blockDepth) {
      const kCount = min(blockDepth, depth - k);
      const first = k == 0;
      const last = k + kCount == depth;
      packTaps(patches, filter, column, blockColumns, k, kCount, packedB);
      for (let row = 0; row < rows; row += BLOCK_ROWS) {
        const blockRows = min(BLOCK_ROWS, rows - row);
        packPatches(patches, row, blockRows, k, kCount, packedA, lines);
        if (!dense) fillAddresses(patches, filter, row, blockRows, addresses);
        for (let j = 0; j < blockColumns; j += TILE_COLUMNS) {
          const panelB = packedB + ((<usize>(j * kCount)) << 2);
          const skip = (<usize>(column + j)) << 2;
          const tileBias = last && bias != 0 ? bias + skip : 0;
          const tileColumns = min(TILE_COLUMNS, blockColumns - j);
          for (let i = 0; i < blockRows; i += TILE_ROWS) {
            const panelA = packedA + ((<usize>(i * kCount)) << 2);
            const tileRows = min(TILE_ROWS, blockRows - i);
            const target = filter.out + <usize>(row + i) * outStride + skip;
            if (dense && tileRows == TILE_ROWS && tileColumns == TILE_COLUMNS) {
              tile(panelA, panelB, kCount, target, outStride, !first, tileBias, last && relu);
              continue;
            }
            tile(panelA, panelB, kCount, edge, (<usize>TILE_COLUMNS) << 2, false, 0, false);
            if (dense) {
              mergeEdge(edge, target, outStride, tileRows, tileColumns, !first, tileBias, last && relu);
              continue;
            }
            for (let n = 0; n < tileRows; n++) {
              const to = <usize>load<u32>(addresses + ((<usize>(i + n)) << 2)) + skip;
              const from = edge + ((<usize>(n * TILE_COLUMNS)) << 2);
              mergeEdge(from, to, 0, 1, tileColumns, !first, tileBias, last && relu);
            }
          }
        }
      }
    }
  }
}

/** The addresses of the results of a block of patches that do not lie side by side. */
function fillAddresses(patches: Patches, filter: Filter, row: i32, rows: i32, to: usize): void {
  let across = row % patches.gridWidth;
  const line = row / patches.gridWidth;
  let down = line % patches.gridHeight;
  let image = line / patches.gridHeight;
  for (let i = 0; i < rows; i++, to += 4) {
    const at = across * filter.outAcross + down * filter.outDown + image * filter.outImage;
    store<u32>(to, <u32>(filter.out + ((<usize>at) << 2)));
    if (++across == patches.gridWidth) {
      across = 0;
      if (++down == patches.gridHeight) {
        down = 0;
        image++;
      }
    }
  }
}

/** Packs rows [k, k + depth) of the filter, tap by tap, as `packB` packs a matrix. */
function packTaps(
  patches: Patches,
  filter: Filter,
  column: i32,
  columns: i32,
  k: i32,
  depth: i32,
  to: usize,
): void {
  const channels = patches.channels;
  const panelStep = (<usize>depth) << 5;
  const end = k + depth;
  for (let tap = k / channels; tap * channels < end; tap++) {
    const down = tap / patches.patchWidth;
    const across = tap % patches.patchWidth;
    const from = max(k - tap * channels, 0);
    const count = min(end - tap * channels, channels) - from;
    const matrix = filter.taps + <usize>((down * filter.tapDown + across * filter.tapAcross) << 2);
    packB(matrix, <bool>filter.transposed, column, columns, from, count, filter.stride, to, panelStep);
    to += (<usize>count) << 5;
  }
}

/**
 * The gradient of a convolution with respect to its filter: the patches of the images, transposed, times the upstream
 * gradient.
 * @param patches those of the forward convolution
 * @param upstream [images, grid height, grid width, columns]
 * @param out [patch height, patch width, channels, columns]
 * @param workspace `workspaceBytes()` bytes of scratch
 * @param lines `addressBytes()` bytes of scratch, then `lineBytes`
 */
export function convolutionFilterGradient(
  patches: Patches,
  upstream: usize,
  out: usize,
  images: i32,
  columns: i32,
  workspace: usize,
  lines: usize,
): void {
  lines += ADDRESS_BYTES;
  clearLines(patches, lines);
  const edge = workspace;
  const packedA = workspace + TILE_BYTES;
  const packedB = packedA + PACKED_A_BYTES;
  const rows = patches.patchHeight * patches.patchWidth * patches.channels;
  const depth = images * patches.gridHeight * patches.gridWidth;
  const outStride = (<usize>columns) << 2;

  for (let column = 0; column < columns; column += BLOCK_COLUMNS) {
    const blockColumns = min(BLOCK_COLUMNS, columns - column);
    for (let k = 0; k < depth; k += BLOCK_DEPTH) {
      const kCount = min(BLOCK_DEPTH, depth - k);
      packB(upstream, false, column, blockColumns, k, kCount, columns, packedB, (<usize>kCount) << 5);
      const panelStep = <usize>kCount * 24 + PANEL_GAP;
      for (let row = 0; row < rows; row += BLOCK_ROWS) {
        const blockRows = min(BLOCK_ROWS, rows - row);
        packPatchElements(patches, row, blockRows, k, kCount, packedA, panelStep, lines);
        for (let j = 0; j < blockColumns; j += TILE_COLUMNS) {
          const panelB = packedB + ((<usize>(j * kCount)) << 2);
          const tileColumns = min(TILE_COLUMNS, blockColumns - j);
          for (let i = 0; i < blockRows; i += TILE_ROWS) {
            const panelA = packedA + <usize>(i / TILE_ROWS) * panelStep;
            const target = out + <usize>(row + i) * outStride + ((<usize>(column + j)) << 2);
            const tileRows = min(TILE_ROWS, blockRows - i);
            if (tileRows == TILE_ROWS && tileColumns == TILE_COLUMNS) {
              tile(panelA, panelB, kCount, target, outStride, k > 0, 0, false);
            } else {
              tile(panelA, panelB, kCount, edge, (<usize>TILE_COLUMNS) << 2, false, 0, false);
              mergeEdge(edge, target, outStride, tileRows, tileColumns, k > 0, 0, false);
            }
          }
        }
      }
    }
  }
}
