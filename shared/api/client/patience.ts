/** How often a deployment that is busy for the moment is asked. */
const BUSY_ATTEMPTS = 6;
/** How often one is asked that gave no answer, or none of its own. */
const LOST_ATTEMPTS = 4;
/** Before the second try where nobody says how long to wait; doubled for each further one. */
const FIRST_PAUSE_MS = 500;
/** Where a busy deployment does not say for how long. */
const BUSY_PAUSE_MS = 2_000;
const LONGEST_PAUSE_MS = 60_000;

/**
 * Milliseconds until a request should be repeated after an answer like this; undefined where it should not be.
 *
 * 429 and 503 did nothing and say when to come back (RFC 9110, section 10.2.3). 500, 502 and 504 leave open what was
 * done; requests are such that doing them twice is doing them once.
 * @param attempt tries so far, this one included
 * @param now milliseconds since 1970, against which a date in `Retry-After` is read
 */
export function pauseAfter(response: Response, attempt: number, now: number): number | undefined {
  switch (response.status) {
    case 429:
    case 503:
      return attempt < BUSY_ATTEMPTS ? retryAfterMs(response, now) : undefined;
    case 500:
    case 502:
    case 504:
      return pauseAfterSilence(attempt);
    default:
      return undefined;
  }
}

/** The same where there was no answer. */
export function pauseAfterSilence(attempt: number): number | undefined {
  return attempt < LOST_ATTEMPTS ? FIRST_PAUSE_MS * 2 ** (attempt - 1) : undefined;
}

/** `Retry-After`, in seconds or as a date, within reason. */
export function retryAfterMs(response: Response, now: number): number {
  const field = response.headers.get("retry-after")?.trim() ?? "";
  const milliseconds = /^\d+$/.test(field) ? 1000 * Number(field) : Date.parse(field) - now;
  return milliseconds > 0 ? Math.min(LONGEST_PAUSE_MS, milliseconds) : BUSY_PAUSE_MS;
}
