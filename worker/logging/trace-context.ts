/** Where a request stands in a distributed trace. */
export interface TraceContext {
  /** 16 bytes, hex: of the whole trace, as the caller has it. */
  readonly traceId: string;
  /** 8 bytes, hex: of what this request does. */
  readonly spanId: string;
  /** Bit 0: whether the caller records the trace. */
  readonly flags: string;
}

const TRACEPARENT = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(-.*)?$/;

/**
 * Continues the trace that a request belongs to, or begins one where it belongs to none.
 * @param traceparent the request's header field; what is not valid is taken for none
 * @param randomBytes where new ids come from
 * @see https://www.w3.org/TR/trace-context/
 */
export function continueTrace(
  traceparent: string | undefined,
  randomBytes: (length: number) => Uint8Array,
): TraceContext {
  const [, version, traceId, flags, rest] = TRACEPARENT.exec(traceparent ?? "") ?? [];
  const spanId = hex(randomBytes(8));
  // Of later versions only the first four fields are known; the first version has no others.
  const isKnown = traceId !== undefined && flags !== undefined && (version !== "00" || rest === undefined);
  return isKnown ? { traceId, spanId, flags } : { traceId: hex(randomBytes(16)), spanId, flags: "00" };
}

/** The header field that says it, in the version of it that is written here. */
export function traceparentOf({ traceId, spanId, flags }: TraceContext): string {
  // Other bits than the first mean nothing yet, and are not passed on.
  return `00-${traceId}-${spanId}-${(Number.parseInt(flags, 16) & 1) === 1 ? "01" : "00"}`;
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
