import { CommandFiles } from "./command-files.ts";
import { Deployment } from "./deployment.ts";
import { IdentityTokens } from "./identity-token.ts";
import { type Inputs, readInputs } from "./inputs.ts";
import { markerOf } from "./report/comment.ts";
import { readRunFacts, type RunFacts } from "./run-facts.ts";
import { StickyComment } from "./sticky-comment.ts";
import type { WorkflowCommands } from "./workflow-commands.ts";
import type { ActionWorld } from "./world.ts";

/** What the main step and the post step work with. */
export interface Step {
  readonly world: ActionWorld;
  readonly commands: WorkflowCommands;
  readonly files: CommandFiles;
  readonly inputs: Inputs;
  readonly run: RunFacts;
  readonly deployment: Deployment;
  /** Undefined where there is no pull request, or no comment is wanted. */
  readonly comment: StickyComment | undefined;
  readonly marker: string;
}

/** @throws ActionFailure `usage` */
export async function openStep(world: ActionWorld, commands: WorkflowCommands): Promise<Step> {
  const inputs = readInputs(world.environment);
  if (inputs.githubToken !== undefined) commands.mask(inputs.githubToken);
  const run = await readRunFacts(world);
  const identity = new IdentityTokens(world, commands, inputs.audience);
  const marker = markerOf(run, inputs.spec);
  return {
    world,
    commands,
    files: new CommandFiles(world),
    inputs,
    run,
    deployment: new Deployment(world, inputs.url, identity),
    comment: commentFor(world, inputs, run, marker),
    marker,
  };
}

function commentFor(
  world: ActionWorld,
  { comment, githubToken }: Inputs,
  run: RunFacts,
  marker: string,
): StickyComment | undefined {
  if (!comment || githubToken === undefined || run.pullRequest === undefined || run.repository === "") return undefined;
  return new StickyComment(world, run, run.pullRequest, githubToken, marker);
}
