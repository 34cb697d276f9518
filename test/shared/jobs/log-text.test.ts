import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bytesOfText, maskSecrets, showLog, textOfBytes, wholeCharacters } from "../../../shared/jobs/log-text.ts";

/** Put together here, so that no scanner takes this file for a leak. */
const secrets = {
  "a token of ours": `ef_${"a1B2".repeat(10)}xyz`,
  "a JSON Web Token": ["eyJhbGciOiJSUzI1NiJ9", "eyJzdWIiOiJ4In0abc", "c2lnbmF0dXJl"].join("."),
  "a key id of AWS": `AKIA${"ABCD1234".repeat(2)}`,
  "a token of GitHub": `ghp_${"x9".repeat(18)}`,
  "a token of Hugging Face": `hf_${"Ab1".repeat(11)}`,
  "a lease": `lease_token=lease_${"q".repeat(43)}`,
};

describe("what is masked in a log", () => {
  it.each(Object.entries(secrets))("is %s, and nothing beside it", (_, secret) => {
    const masked = maskSecrets(`before ${secret} after`);
    expect(masked).toHaveLength(`before ${secret} after`.length);
    expect(masked).toMatch(/^before (\w+=)?\*+ after$/);
  });

  it.each([
    ["AWS_SECRET_ACCESS_KEY=abcdefgh12345678", "AWS_SECRET_ACCESS_KEY=****************"],
    ["Authorization: Bearer abcdefghijklmnop", "Authorization: Bearer ****************"],
    ['{"password": "correct horse"}', '{"password": "correct horse"}'],
    ['{"password": "correcthorse"}', '{"password": "************"}'],
    ["s3://user:hunter22@bucket/x", "s3://user:********@bucket/x"],
    ["epoch 3 of 10, accuracy 0.981, tokens 12", "epoch 3 of 10, accuracy 0.981, tokens 12"],
    ["checkpoint " + "0f".repeat(32), "checkpoint " + "0f".repeat(32)],
  ])("in %j", (text, masked) => {
    expect(maskSecrets(text)).toBe(masked);
  });

  it("never changes a length, and takes no time to speak of for what was made to be slow", () => {
    fc.assert(fc.property(fc.string(), (text) => maskSecrets(text).length === text.length));
    for (const piece of [" ", "token", "a:", "://a", "authorization ", "=", "ef_", "eyJaaaaaaaa."]) {
      const long = piece.repeat(65_536 / piece.length);
      const begin = performance.now();
      maskSecrets(long);
      expect(performance.now() - begin, piece).toBeLessThan(5_000);
    }
  });
});

describe("what a log shows", () => {
  it("moves no cursor, sets no colour and turns no text", () => {
    expect(showLog("a\u001b[31mred\u0007\u202eb\r\nc\td\u009b")).toBe("a\\x1b[31mred\\x07\\u202eb\nc\td\\x9b");
    fc.assert(
      fc.property(
        fc.string({ unit: fc.integer({ min: 0, max: 0x2100 }).map((code) => String.fromCharCode(code)) }),
        (text) => {
          // oxlint-disable-next-line no-control-regex
          expect(showLog(text)).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
        },
      ),
    );
  });

  it("comes whole through bytes that are cut anywhere", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.nat(), (text, cut) => {
        const bytes = new TextEncoder().encode(text);
        expect(bytesOfText(textOfBytes(bytes))).toEqual(bytes);
        const begin = bytes.subarray(0, cut % (bytes.length + 1));
        const whole = begin.subarray(0, wholeCharacters(begin));
        expect(begin.length - whole.length).toBeLessThan(4);
        expect(text.startsWith(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(whole))).toBe(true);
      }),
    );
  });
});
