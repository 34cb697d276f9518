import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LogBuffer } from "../../../trainer/agent/log-buffer.ts";

const limits = { chunkBytes: 32, waitingBytes: 100 };
const textOf = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes);

describe("the log that waits to be sent", () => {
  it("gives whole lines, as many as a chunk holds", () => {
    const buffer = new LogBuffer(limits);
    for (const line of ["one two three", "four five six", "seven"]) buffer.append(line);
    expect(textOf(buffer.take()?.bytes)).toBe("one two three\nfour five six\n");
    buffer.confirm();
    expect(buffer.take()).toMatchObject({ offset: 28 });
    expect(textOf(buffer.take()?.bytes)).toBe("seven\n");
    expect(buffer.isEmpty).toBe(false);
    buffer.confirm();
    expect(buffer.isEmpty).toBe(true);
    expect(buffer.take()).toBeUndefined();
  });

  it("gives the very same chunk until it is confirmed, whatever comes meanwhile", () => {
    const buffer = new LogBuffer(limits, 7);
    buffer.append("first");
    const taken = buffer.take();
    buffer.append("second");
    for (let line = 0; line < 50; line++) buffer.append("more and more");
    expect(buffer.take()).toBe(taken);
    expect([taken?.offset, textOf(taken?.bytes)]).toEqual([7, "first\n"]);
  });

  it("lets old lines go where too much waits, and says so", () => {
    const buffer = new LogBuffer({ chunkBytes: 200, waitingBytes: 20 });
    for (const line of ["aaaaaaaaa", "bbbbbbbbb", "ccccccccc"]) buffer.append(line);
    expect(textOf(buffer.take()?.bytes)).toMatch(/^\[10 bytes of the log were left out .*\]\nbbbbbbbbb\nccccccccc\n$/);
  });

  it("goes on where the worker's log ends", () => {
    const buffer = new LogBuffer(limits);
    buffer.append("line");
    buffer.take();
    buffer.moveTo(1000);
    expect(buffer.take()).toMatchObject({ offset: 1000 });
    buffer.confirm();
    buffer.append("next");
    expect(buffer.take()).toMatchObject({ offset: 1005 });
  });

  it("loses and repeats nothing, however it is taken, as long as there is room", () => {
    const action = fc.oneof(fc.string({ maxLength: 60 }), fc.constant(undefined), fc.constant(true as const));
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
        const buffer = new LogBuffer({ chunkBytes: 24, waitingBytes: 1e6 });
        let [expected, sent] = [Buffer.alloc(0), Buffer.alloc(0)];
        const send = () => {
          const chunk = buffer.take();
          if (chunk === undefined) return;
          expect(chunk.offset).toBe(sent.length);
          expect(chunk.bytes.length).toBeLessThanOrEqual(24);
          sent = Buffer.concat([sent, chunk.bytes]);
          buffer.confirm();
        };
        for (const each of actions) {
          if (each === undefined) {
            buffer.take();
          } else if (each === true) {
            send();
          } else {
            buffer.append(each);
            expected = Buffer.concat([expected, Buffer.from(`${each}\n`)]);
          }
        }
        while (!buffer.isEmpty) send();
        expect(sent.equals(expected)).toBe(true);
      }),
    );
  });
});
