import { describe, expect, it } from "vitest";
import { openAnswer, sealAnswer } from "../../../worker/idempotency/seal.ts";

const nonce = new Uint8Array(12).fill(3);

describe("a sealed answer", () => {
  it("opens under its secret and its id, and under nothing else", async () => {
    const sealed = await sealAnswer("secret", "id", "text ä", nonce);
    expect(await openAnswer("secret", "id", sealed)).toBe("text ä");
    expect(await openAnswer("other", "id", sealed)).toBeUndefined();
    expect(await openAnswer("secret", "other", sealed)).toBeUndefined();
    expect(
      await openAnswer(
        "secret",
        "id",
        sealed.replace(/.$/, (last) => (last === "A" ? "B" : "A")),
      ),
    ).toBeUndefined();
    expect(await openAnswer("secret", "id", "")).toBeUndefined();
    expect(await openAnswer("secret", "id", "***")).toBeUndefined();
    expect(sealed).not.toContain("text");
  });
});
