export { byteLength, type Dtype, DTYPES, elementCount, isDtype } from "./dtypes.ts";
export {
  checkFileLength,
  parseHeader,
  readHeaderLength,
  SAFETENSORS_LIMITS,
  type SafetensorsHeader,
  type TensorInfo,
} from "./header.ts";
export { encodeSafetensors, layoutSafetensors, type SafetensorsLayout, type TensorSpec } from "./write.ts";
export { decodeSafetensors } from "./read.ts";
