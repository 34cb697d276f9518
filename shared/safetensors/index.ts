export { byteLength, type Dtype, DTYPES, elementCount, isDtype } from "./dtypes.ts";
export {
  checkFileLength,
  parseHeader,
  readHeaderLength,
  SAFETENSORS_LIMITS,
  type SafetensorsHeader,
  type TensorInfo,
} from "./header.ts";
export {
  encodeSafetensors,
  layoutInOrder,
  layoutSafetensors,
  type SafetensorsLayout,
  type TensorSpec,
} from "./write.ts";
export {
  encodeShardIndex,
  INDEX_FILE,
  INDEX_LIMITS,
  layoutShards,
  parseShardIndex,
  type ShardIndex,
} from "./sharded-index.ts";
export { decodeSafetensors } from "./read.ts";
