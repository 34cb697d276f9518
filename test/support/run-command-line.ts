import { runCommandLine } from "../../trainer/command-line/run-command.ts";
import { COMMANDS } from "../../trainer/commands/registry.ts";

export interface CommandLineRun {
  readonly environment?: Readonly<Record<string, string>>;
  /** The network, as the command sees it. */
  readonly fetch?: typeof fetch;
  readonly signal?: AbortSignal;
}

export interface CommandLineResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Results of a line with `--json`. */
  json(): Record<string, unknown>[];
}

/** Runs a command line within this process, so that its network can be a broken one. */
export async function runHere(
  words: readonly string[],
  { environment = {}, fetch = globalThis.fetch, signal = new AbortController().signal }: CommandLineRun = {},
): Promise<CommandLineResult> {
  let [stdout, stderr] = ["", ""];
  const code = await runCommandLine(COMMANDS, words, {
    stdout: { write: (text: string) => (stdout += text) },
    stderr: { write: (text: string) => (stderr += text) },
    environment,
    fetch,
    signal,
  });
  const json = () =>
    stdout
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  return { code, stdout, stderr, json };
}

/** A fetch that notes what is asked, and lets `meddle` answer in the network's place. */
export function watchedFetch(
  meddle: (request: string, ask: () => Promise<Response>) => Promise<Response> = (_, ask) => ask(),
) {
  const requests: { readonly line: string; readonly headers: Headers }[] = [];
  const watched: typeof fetch = (input, init) => {
    const line = `${init?.method ?? "GET"} ${new URL(String(input)).pathname}`;
    requests.push({ line, headers: new Headers(init?.headers) });
    return meddle(line, () => fetch(input, init));
  };
  return { fetch: watched, requests };
}

/** A body that breaks off after so many bytes, as a lost connection does. */
export function cutOff(response: Response, after: number): Response {
  let left = after;
  const cut = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      const part = chunk.subarray(0, left);
      left -= part.length;
      if (part.length > 0) controller.enqueue(part);
      if (left === 0) controller.error(new TypeError("terminated", { cause: new Error("other side closed") }));
    },
  });
  const { status, headers } = response;
  return new Response(response.body?.pipeThrough(cut) ?? null, { status, headers });
}
