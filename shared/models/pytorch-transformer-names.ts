import type { TensorInfo } from "../safetensors/index.ts";
import { type PytorchSource, TensorFinder } from "./pytorch-tensors.ts";
import type { Transformer } from "./transformer.ts";
import type { Vit } from "./vit.ts";

/** Modules by ours; the first name that the file has is taken. `timm`'s come first, then torchvision's, then others. */
const OUTSIDE = {
  patch_embedding: ["patch_embed.proj", "conv_proj", "patch_embedding", "to_patch_embedding"],
  norm: ["norm", "encoder.ln", "encoder.norm", "ln_f"],
  output: ["head", "heads.head", "heads.0", "output", "fc", "lm_head", "classifier"],
} as const;
const CLASS_TOKEN = ["cls_token", "class_token"];
const POSITIONS = [
  ...["pos_embed", "encoder.pos_embedding", "pos_embedding", "pos_emb", "positions", "position_embedding"],
  ...["pos_emb.weight", "positions.weight", "position_embedding.weight", "pos_embed.weight", "wpe.weight"],
];
const TOKENS = ["tokens", "token_embedding", "tok_emb", "embedding", "embed", "wte"].map((name) => `${name}.weight`);

const FOLDERS = ["blocks.#", "encoder.layers.encoder_layer_#", "encoder.layers.#", "layers.#", "h.#"];
const BLOCK = {
  attention_norm: ["norm1", "ln_1", "ln1"],
  mlp_norm: ["norm2", "ln_2", "ln2"],
  "attention/output": [
    "attn.proj",
    "self_attention.out_proj",
    "self_attn.out_proj",
    "attn.out_proj",
    "attention.output",
  ],
  mlp_up: ["mlp.fc1", "mlp.0", "mlp.linear_1", "linear1", "fc1"],
  mlp_down: ["mlp.fc2", "mlp.3", "mlp.linear_2", "mlp.2", "linear2", "fc2"],
} as const;
/** One tensor for queries, keys and values, in this order, each a third of the rows; `#` is `weight` or `bias`. */
const JOINED = ["attn.qkv.#", "self_attention.in_proj_#", "self_attn.in_proj_#", "attn.in_proj_#"];
const PROJECTIONS = {
  query: ["attn.q", "attn.query", "attn.q_proj", "attention.query", "self_attn.q_proj"],
  key: ["attn.k", "attn.key", "attn.k_proj", "attention.key", "self_attn.k_proj"],
  value: ["attn.v", "attn.value", "attn.v_proj", "attention.value", "self_attn.v_proj"],
} as const;

/** Our roles of a layer, by PyTorch's: those of a norm, and those of a linear layer. */
const NORM = [
  ["gamma", "weight"],
  ["beta", "bias"],
] as const;
const LINEAR = [
  ["kernel", "weight"],
  ["bias", "bias"],
] as const;

/**
 * The names of a vision transformer as `timm` and torchvision write them, and of a text transformer with the same blocks
 * or those of `nn.TransformerEncoder(norm_first=True)`. Queries, keys and values may be one tensor.
 *
 * Our layer normalisation adds 1e-5 to the variance, as `nn.LayerNorm` does by default.
 */
export function transformerNames(
  architecture: Vit | Transformer,
  tensors: readonly TensorInfo[],
): Map<string, PytorchSource> {
  const finder = new TensorFinder(tensors);
  const names = new Map<string, PytorchSource>();
  const bind = (layer: string, candidates: readonly string[], roles: typeof NORM | typeof LINEAR) => {
    const module = finder.module(candidates);
    if (module === undefined) return;
    for (const [ours, theirs] of roles) names.set(`${layer}/${ours}`, { tensor: `${module}.${theirs}` });
  };
  const bindTensor = (weight: string, candidates: readonly string[]) => {
    const tensor = finder.first(candidates);
    if (tensor !== undefined) names.set(weight, { tensor });
  };
  if (architecture.architecture === "vit") {
    bind("patch_embedding", OUTSIDE.patch_embedding, LINEAR);
    if (architecture.pooling === "class-token") bindTensor("class_token/embedding", CLASS_TOKEN);
  } else {
    bindTensor("tokens/embedding", TOKENS);
  }
  bindTensor("positions/embedding", POSITIONS);
  const { width, depth } = architecture;
  for (let index = 0; index < depth; index++) {
    const within = (modules: readonly string[]) =>
      FOLDERS.flatMap((folder) => modules.map((module) => `${folder.replace("#", String(index))}.${module}`));
    const block = `block_${index}`;
    bind(`${block}/attention_norm`, within(BLOCK.attention_norm), NORM);
    bind(`${block}/mlp_norm`, within(BLOCK.mlp_norm), NORM);
    for (const layer of ["attention/output", "mlp_up", "mlp_down"] as const) {
      bind(`${block}/${layer}`, within(BLOCK[layer]), LINEAR);
    }
    for (const [place, projection] of (["query", "key", "value"] as const).entries()) {
      bind(`${block}/attention/${projection}`, within(PROJECTIONS[projection]), LINEAR);
      for (const [ours, theirs] of LINEAR) {
        const joined = finder.first(within(JOINED.map((name) => name.replace("#", theirs))));
        if (joined === undefined) continue;
        names.set(`${block}/attention/${projection}/${ours}`, {
          tensor: joined,
          rows: [place * width, (place + 1) * width],
        });
      }
    }
  }
  bind("norm", OUTSIDE.norm, NORM);
  bind("output", OUTSIDE.output, LINEAR);
  return names;
}
