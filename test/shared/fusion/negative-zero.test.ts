import { expect, it } from "vitest";
import { fuseVectors } from "./fuse-tensors.ts";

const shared = [-0, 0, 0.25, -0, -0, -0, 1e-40, -0, 0];
const others = [1, 2, 3].map((salt) => [...shared, salt * 0.1, -salt]);

it.each([
  { method: "task-arithmetic", parameters: {} },
  { method: "task-arithmetic", parameters: { lambda: 0.4 } },
  { method: "model-stock", parameters: {} },
  { method: "multislerp", parameters: {} },
  { method: "ties", parameters: { density: 0.5 } },
  { method: "dare-ties", parameters: { density: 0.5 } },
])("$method $parameters keeps what inputs and base share, zeros of both signs too", async ({ method, parameters }) => {
  const fused = await fuseVectors({ method, inputs: others, base: [...shared, 0.05, 0.5], parameters });
  expect(fused.slice(0, shared.length)).toEqual([...new Float32Array(shared)]);
});
