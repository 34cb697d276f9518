import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from "jose";

type KeyPair = Awaited<ReturnType<typeof generateKeyPair>>;

/** An OpenID Connect issuer on loopback that signs whatever it is asked to, as GitHub Actions' would for a job. */
export interface OidcIssuer {
  /** What a token says in `iss`. */
  readonly issuer: string;
  readonly jwksUri: string;
  /** Public keys as published, the first of them RSA. */
  readonly publicKeys: readonly object[];
  /** How often the keys were asked for. */
  fetches(): number;
  /** A token of a job of `owner/name` on `main`, for the audience `edgefuse`, unless claims say otherwise. */
  token(claims?: JWTPayload, options?: { alg?: "RS256" | "ES256"; kid?: string }): Promise<string>;
  close(): Promise<void>;
}

export async function startOidcIssuer(): Promise<OidcIssuer> {
  const keys: Record<string, KeyPair> = {
    RS256: await generateKeyPair("RS256", { extractable: true }),
    ES256: await generateKeyPair("ES256", { extractable: true }),
  };
  const publicKeys = await Promise.all(
    Object.entries(keys).map(async ([alg, { publicKey }]) => ({ ...(await exportJWK(publicKey)), kid: alg, alg })),
  );
  let fetches = 0;
  const server = createServer((request, response) => {
    if (request.url !== "/jwks") return response.writeHead(404).end();
    fetches++;
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ keys: publicKeys }));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const issuer = `http://127.0.0.1:${port}`;
  return {
    issuer,
    jwksUri: `${issuer}/jwks`,
    publicKeys,
    fetches: () => fetches,
    token: async (claims = {}, { alg = "RS256", kid = alg } = {}) => {
      const now = Math.floor(Date.now() / 1000);
      const payload = {
        iss: issuer,
        aud: "edgefuse",
        repository: "owner/name",
        ref: "refs/heads/main",
        job_workflow_ref: "owner/name/.github/workflows/train.yml@refs/heads/main",
        iat: now,
        nbf: now,
        exp: now + 300,
        ...claims,
      };
      const { privateKey } = keys[alg] ?? {};
      if (privateKey === undefined) throw new Error(`no key for ${alg}`);
      return new SignJWT(payload).setProtectedHeader({ alg, kid, typ: "JWT" }).sign(privateKey);
    },
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
