import { redactText } from "./redact.ts";

/** What is taken over from outside: it is written to logs and into headers, so it holds nothing but plain characters. */
const PLAIN = /^[\w.:=+/-]{1,128}$/;

/**
 * The name of one request, which its caller, its log line and its problem document share.
 * @param given `x-request-id` of the request; what is not plain, or looks like a token, is not taken over
 * @param fresh makes a name where there is none
 */
export function requestIdOf(given: string | undefined, fresh: () => string): string {
  return given !== undefined && PLAIN.test(given) && redactText(given) === given ? given : fresh();
}
