import type { WorkflowEvent, WorkflowStep } from "cloudflare:workers";
import type { FusionDescription } from "../../../shared/api/fusions.ts";
import type { GateDescription } from "../../../shared/api/gates.ts";
import type { Environment, FuseParameters, GateParameters } from "../../../worker/environment.ts";
import { FuseWorkflow } from "../../../worker/workflows/fuse-workflow.ts";
import { GateWorkflow } from "../../../worker/workflows/gate-workflow.ts";
import { fresh, freshModel, freshShard, uploaded } from "../faults/files.ts";
import { type Ask, ask, succeed } from "../faults/world.ts";
import { bindings } from "../migrations.ts";

/** Bindings whose Workflows only note what they are started with: tests run them themselves. */
export function idle(vars: Partial<Environment> = {}): { environment: Environment; started: unknown[] } {
  const started: unknown[] = [];
  const workflow = { create: async (options: unknown) => void started.push(options) } as never;
  return { environment: { ...bindings, ...vars, FUSE_WORKFLOW: workflow, GATE_WORKFLOW: workflow }, started };
}

/** Where everything is too much work for a request, and each shard is a unit of its own. */
export const BUSY = { EDGEFUSE_INLINE_PROBE_OPERATIONS: 1 };

/** Steps that are done once each. */
const step = {
  do: (_name: string, _config: unknown, work: () => Promise<unknown>) => work(),
} as unknown as WorkflowStep;

/** The platform alone constructs one. */
const workflowOf = <Workflow extends object>(prototype: Workflow, environment: Environment) =>
  Object.create(prototype, { env: { value: environment } }) as Workflow;

/** Runs a gate's Workflow from its first step to its last, with nothing repeated. */
export function runGate(environment: Environment, payload: GateParameters): Promise<unknown> {
  return workflowOf(GateWorkflow.prototype, environment).run({ payload } as WorkflowEvent<GateParameters>, step);
}

/** The same of a fusion. */
export function runFusion(environment: Environment, payload: FuseParameters): Promise<void> {
  const event = { payload, timestamp: new Date() } as WorkflowEvent<FuseParameters>;
  return workflowOf(FuseWorkflow.prototype, environment).run(event, step);
}

/** A dataset like no other. */
export async function freshDataset(shards = 3): Promise<string> {
  const ids: string[] = [];
  while (ids.length < shards) {
    ids.push((await succeed<{ id: string }>({ method: "POST", path: "/v1/shards", body: freshShard() })).id);
  }
  const name = `gating-${fresh()}`;
  await succeed({ method: "PUT", path: `/v1/datasets/${name}`, body: { shards: ids } });
  return name;
}

/** A recipe that nobody else has. */
export async function freshRecipe(inputs = 2) {
  const checkpoints: string[] = [];
  while (checkpoints.length < inputs) checkpoints.push(await uploaded(freshModel()));
  return { method: "linear", inputs: checkpoints.map((checkpoint) => ({ checkpoint })) };
}

/** Asks for a fusion. */
export async function fuse(environment: Environment, body: object, prefer?: string) {
  const headers = prefer === undefined ? {} : { prefer };
  const answer = await ask(environment, { method: "POST", path: "/v1/fusions", body, headers });
  return { status: answer.status, fusion: jsonOf<FusionDescription>(answer.bytes) };
}

export async function gateAt(environment: Environment, id: string | undefined): Promise<GateDescription> {
  return jsonOf((await ask(environment, { method: "GET", path: `/v1/gates/${id}` })).bytes);
}

export const statusOf = async (request: Ask) => (await ask(bindings, request)).status;

function jsonOf<Body>(bytes: Uint8Array | undefined): Body {
  return JSON.parse(new TextDecoder().decode(bytes)) as Body;
}
