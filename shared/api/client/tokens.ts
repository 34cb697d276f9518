import type { CreatedToken, CreateTokenRequest, TokenDescription, TokenId } from "../tokens.ts";
import type { Connection } from "./connection.ts";

/** Bearer tokens; takes the scope `admin`. */
export class TokenCalls {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Makes a token. Its value is in this answer and nowhere else. */
  create(request: CreateTokenRequest): Promise<CreatedToken> {
    return this.#connection.json("POST", "/v1/tokens", { body: request, once: true });
  }

  /** Newest first, revoked ones too. */
  list(limit?: number): AsyncGenerator<TokenDescription> {
    return this.#connection.pages("/v1/tokens", { limit });
  }

  /** Ends a token, from the next request on. */
  revoke(id: TokenId): Promise<TokenDescription> {
    return this.#connection.json("DELETE", `/v1/tokens/${id}`);
  }
}
