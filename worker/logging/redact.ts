/** What a log shows in the place of a secret. */
const REDACTED = "redacted";

/** Names of query members that hold or may hold secrets: signatures of our links and of S3, credentials of any kind. */
const SECRET_NAME = /sig|token|secret|passw|credential|auth|key|jwt|cookie/i;

/** Tokens of ours, and JSON Web Tokens, wherever somebody put them. */
const SECRET_VALUE = /ef_[\w-]{43}|eyJ[\w-]+\.[\w-]+\.[\w-]*/g;

/** A path or another text without the secrets that can be told by their looks. */
export function redactText(text: string): string {
  return text.replaceAll(SECRET_VALUE, REDACTED);
}

/**
 * A query for a log: without what opens anything.
 * @returns empty where there is none, else with the question mark
 */
export function redactQuery(query: URLSearchParams): string {
  const shown = new URLSearchParams();
  for (const [name, value] of query) {
    shown.append(redactText(name), SECRET_NAME.test(name) ? REDACTED : redactText(value));
  }
  return shown.size === 0 ? "" : `?${shown}`;
}
