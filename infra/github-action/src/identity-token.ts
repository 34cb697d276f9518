import { Connection } from "../../../shared/api/client/connection.ts";
import { ActionFailure, textOf } from "./failure.ts";
import type { WorkflowCommands } from "./workflow-commands.ts";
import type { ActionWorld } from "./world.ts";

/** A token is not used in the last so many milliseconds of its life: clocks differ, and requests take time. */
const MARGIN_MS = 60_000;
/** Where a token does not say when it ends. GitHub's last five minutes. */
const LIFETIME_MS = 240_000;
/** One that was refused is not replaced more often than that. */
const LEAST_AGE_MS = 5_000;

/**
 * Tokens that say which run of which workflow this is. They live for minutes and training takes hours, so each is
 * replaced before its end.
 * @see https://docs.github.com/en/actions/reference/security/oidc
 */
export class IdentityTokens {
  readonly #world: ActionWorld;
  readonly #commands: WorkflowCommands;
  readonly #audience: string;
  #token = "";
  #madeAt = -Infinity;
  #usableUntil = -Infinity;

  /** @param audience whom the tokens are for */
  constructor(world: ActionWorld, commands: WorkflowCommands, audience: string) {
    this.#world = world;
    this.#commands = commands;
    this.#audience = audience;
  }

  /** @throws ActionFailure `usage` where the workflow has no permission for it, `unreachable` */
  async current(): Promise<string> {
    if (this.#world.now() >= this.#usableUntil) await this.#renew();
    return this.#token;
  }

  /** Requests as this run. One that is refused is made once more with a new token. */
  readonly fetch: typeof fetch = async (input, init) => {
    const ask = async () => {
      const headers = new Headers(init?.headers);
      headers.set("authorization", `Bearer ${await this.current()}`);
      return this.#world.fetch(input, { ...init, headers });
    };
    const response = await ask();
    if (response.status !== 401 || this.#world.now() - this.#madeAt < LEAST_AGE_MS) return response;
    await response.body?.cancel();
    this.#usableUntil = -Infinity;
    return ask();
  };

  async #renew(): Promise<void> {
    const { environment, now } = this.#world;
    const address = environment["ACTIONS_ID_TOKEN_REQUEST_URL"] ?? "";
    const credential = environment["ACTIONS_ID_TOKEN_REQUEST_TOKEN"] ?? "";
    if (!URL.canParse(address) || credential === "") {
      throw new ActionFailure(
        "usage",
        "This run has no identity to show. The workflow needs `permissions: id-token: write`; a pull request from a fork gets none.",
      );
    }
    this.#commands.mask(credential);
    const { origin, pathname, searchParams } = new URL(address);
    searchParams.set("audience", this.#audience);
    const connection = new Connection({ ...this.#world, url: origin, token: credential });
    let token: unknown;
    try {
      ({ value: token } = await connection.json<{ value?: unknown }>("GET", `${pathname}?${searchParams}`));
    } catch (error) {
      throw new ActionFailure("unreachable", `GitHub gave no identity token: ${textOf(error)}`, { cause: error });
    }
    if (typeof token !== "string" || token === "") throw new ActionFailure("unreachable", "GitHub gave no token.");
    this.#commands.mask(token);
    this.#token = token;
    this.#madeAt = now();
    this.#usableUntil = Math.max(this.#madeAt + 1, endOf(token, this.#madeAt) - MARGIN_MS);
  }
}

/** When a JSON Web Token ends, in milliseconds since 1970. It is not believed, only not used for longer. */
function endOf(token: string, now: number): number {
  try {
    const claims: unknown = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
    const { exp, iat } = claims as { exp?: unknown; iat?: unknown };
    // By its own clock, so that the difference to ours does not matter.
    if (typeof exp === "number" && typeof iat === "number" && exp > iat) return now + 1000 * (exp - iat);
  } catch {
    // Not a token that can be read; the deployment will say what it thinks of it.
  }
  return now + LIFETIME_MS;
}
