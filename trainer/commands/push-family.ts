import type { CommandContext } from "../command-line/command.ts";
import { asFailure, Failure } from "../failure.ts";
import { openPusher, pushedText, type PushTarget } from "../storage/push-checkpoint.ts";
import type { FinishedMember } from "../training/family-files.ts";

/**
 * Pushes what a training command has written, the best weights too. The files stay whatever happens.
 * @throws Failure `refused`, `unreachable`, whose message says how to push again
 */
export async function pushFamily(
  target: PushTarget,
  members: readonly FinishedMember[],
  context: CommandContext,
): Promise<void> {
  const { terminal, signal } = context;
  const paths = members.flatMap(({ path, best }) => (best === undefined ? [path] : [path, best.path]));
  const pusher = openPusher(target, context);
  terminal.note(`pushing to ${pusher.where}`);
  try {
    for (const [index, path] of paths.entries()) {
      signal.throwIfAborted();
      try {
        const pushed = await pusher.push(path);
        terminal.result({ event: "pushed", ...pushed }, pushedText(pushed));
      } catch (error) {
        signal.throwIfAborted();
        const { kind, message } = asFailure(error);
        const only = target.access === undefined ? " --upload-only" : "";
        throw new Failure(
          kind,
          `${message} Training is done and its files are in place; push them with: edgefuse push${only} ${paths.slice(index).join(" ")}`,
          { cause: error },
        );
      }
    }
  } finally {
    pusher.close();
  }
}
