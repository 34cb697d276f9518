import { ActionFailure } from "./failure.ts";

/** Inputs of the action, as `action.yml` describes them. */
export interface Inputs {
  /** Address of the deployment, without a slash at its end. */
  readonly url: string;
  /** Path of the spec. */
  readonly spec: string;
  readonly audience: string;
  readonly comment: boolean;
  /** Milliseconds; undefined: as long as the job takes. */
  readonly timeout: number | undefined;
  readonly githubToken: string | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

const MILLISECONDS = { s: 1_000, m: 60_000, h: 3_600_000 } as const;
const LOOPBACK: ReadonlySet<string> = new Set(["127.0.0.1", "localhost", "[::1]"]);

/**
 * @param environment of the step, where the runner puts inputs
 * @throws ActionFailure `usage`
 */
export function readInputs(environment: Environment): Inputs {
  const url = addressOf(required(environment, "url"));
  const githubToken = input(environment, "github-token");
  return {
    url,
    spec: required(environment, "spec"),
    // The deployment's own address: a token for it is of no use to any other.
    audience: input(environment, "audience") || url,
    comment: booleanOf(input(environment, "comment") || "true"),
    timeout: timeoutOf(input(environment, "timeout")),
    githubToken: githubToken === "" ? undefined : githubToken,
  };
}

function input(environment: Environment, name: string): string {
  return (environment[`INPUT_${name.replaceAll(" ", "_").toUpperCase()}`] ?? "").trim();
}

function required(environment: Environment, name: string): string {
  const value = input(environment, name);
  if (value === "") throw new ActionFailure("usage", `The input ${name} is missing.`);
  return value;
}

/** The identity of the run goes there, so nobody may listen in. */
function addressOf(given: string): string {
  const url = URL.canParse(given) ? new URL(given) : undefined;
  const isSafe = url?.protocol === "https:" || (url?.protocol === "http:" && LOOPBACK.has(url.hostname));
  if (
    url === undefined ||
    !isSafe ||
    url.username !== "" ||
    url.password !== "" ||
    url.search !== "" ||
    url.hash !== ""
  ) {
    throw new ActionFailure(
      "usage",
      "The input url is the https address of a deployment, such as https://fuse.example.",
    );
  }
  return url.href.replace(/\/+$/, "");
}

/** As YAML 1.2 spells booleans. */
function booleanOf(given: string): boolean {
  if (/^(true|True|TRUE)$/.test(given)) return true;
  if (/^(false|False|FALSE)$/.test(given)) return false;
  throw new ActionFailure("usage", "The input comment is true or false.");
}

function timeoutOf(given: string): number | undefined {
  if (given === "") return undefined;
  const [, digits = "", unit = ""] = /^(\d{1,6})([smh])$/.exec(given) ?? [];
  const milliseconds = Number(digits) * (MILLISECONDS[unit as keyof typeof MILLISECONDS] ?? Number.NaN);
  if (!(milliseconds > 0)) throw new ActionFailure("usage", "The input timeout is a time such as 90s, 45m or 6h.");
  return milliseconds;
}
