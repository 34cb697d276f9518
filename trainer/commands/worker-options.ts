import type { CommandContext } from "../command-line/command.ts";
import { flag, optional, text } from "../command-line/options.ts";

/** Options of commands that work here or on a worker. */
export const WORKER_OPTIONS = {
  remote: flag("let the worker at EDGEFUSE_URL do it; EDGEFUSE_TOKEN says who asks"),
  url: optional(text({ help: "address of the worker, instead of EDGEFUSE_URL; implies --remote", placeholder: "URL" })),
};

/** The world of a command whose line may name a worker; undefined where it shall work here. */
export function remoteContext(
  { remote, url }: { readonly remote: boolean; readonly url: string | undefined },
  context: CommandContext,
): CommandContext | undefined {
  if (url !== undefined) return { ...context, environment: { ...context.environment, EDGEFUSE_URL: url } };
  return remote ? context : undefined;
}
