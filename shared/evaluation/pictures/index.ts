export { badge, type BadgeFigure, type Grade, gradeOf } from "./badge.ts";
export { type MatrixFigure, matrixPicture } from "./matrix-picture.ts";
export { type MeanFigure, meanPicture } from "./mean-picture.ts";
export { type PathFigure, pathPicture } from "./path-picture.ts";
export { inlineSvg, type Picture, PICTURE_STYLE, svgFile } from "./picture.ts";
export { type PlaneFigure, planePicture } from "./plane-picture.ts";
export type { Measure } from "./words.ts";
