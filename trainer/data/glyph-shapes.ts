/** A point of a glyph; the unit box is [-1, 1] x [-1, 1], y downwards as in images. */
export type Point = readonly [x: number, y: number];

/** A run of straight strokes. */
export type Polyline = readonly Point[];

const RING: Polyline = [
  [0, -1],
  [0.7, -0.7],
  [1, 0],
  [0.7, 0.7],
  [0, 1],
  [-0.7, 0.7],
  [-1, 0],
  [-0.7, -0.7],
  [0, -1],
];

/**
 * The ten classes. Neighbours share strokes on purpose (ring and U, T and Y, H and U, Z and S): a class has to be told
 * from its relatives, not from a different amount of ink.
 */
export const GLYPH_SHAPES: readonly (readonly Polyline[])[] = [
  // ring
  [RING],
  // plus
  [
    [
      [0, -1],
      [0, 1],
    ],
    [
      [-1, 0],
      [1, 0],
    ],
  ],
  // T
  [
    [
      [-1, -1],
      [1, -1],
    ],
    [
      [0, -1],
      [0, 1],
    ],
  ],
  // L
  [
    [
      [-0.7, -1],
      [-0.7, 1],
      [0.8, 1],
    ],
  ],
  // Z
  [
    [
      [-0.9, -1],
      [0.9, -1],
      [-0.9, 1],
      [0.9, 1],
    ],
  ],
  // triangle
  [
    [
      [0, -1],
      [1, 0.9],
      [-1, 0.9],
      [0, -1],
    ],
  ],
  // Y
  [
    [
      [-0.9, -1],
      [0, 0],
      [0.9, -1],
    ],
    [
      [0, 0],
      [0, 1],
    ],
  ],
  // U
  [
    [
      [-0.8, -1],
      [-0.8, 0.5],
      [-0.4, 1],
      [0.4, 1],
      [0.8, 0.5],
      [0.8, -1],
    ],
  ],
  // H
  [
    [
      [-0.8, -1],
      [-0.8, 1],
    ],
    [
      [0.8, -1],
      [0.8, 1],
    ],
    [
      [-0.8, 0],
      [0.8, 0],
    ],
  ],
  // S
  [
    [
      [0.8, -0.8],
      [0.2, -1],
      [-0.6, -0.9],
      [-0.8, -0.4],
      [0, 0],
      [0.8, 0.4],
      [0.6, 0.9],
      [-0.2, 1],
      [-0.8, 0.8],
    ],
  ],
];
