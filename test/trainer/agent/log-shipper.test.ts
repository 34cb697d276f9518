import { beforeEach, describe, expect, it } from "vitest";
import { ApiError } from "../../../shared/api/index.ts";
import { MOST_LOG_CHUNK_BYTES } from "../../../shared/api/jobs.ts";
import { LogShipper } from "../../../trainer/agent/log-shipper.ts";
import { lost } from "../../support/scripted-client.ts";
import { FakeLease, fakeStart, worldOf } from "./fake-lease.ts";

let lease: FakeLease;
let shipper: LogShipper;
beforeEach(() => {
  lease = new FakeLease();
  shipper = new LogShipper(lease);
});

const { wait, now } = worldOf(
  "",
  fakeStart(() => undefined),
);
const persistence = { wait, now, patience: 60_000, signal: new AbortController().signal };

describe("sending a log", () => {
  it("keeps the order, also where several want it sent at once", async () => {
    const line = "x".repeat(MOST_LOG_CHUNK_BYTES / 2);
    for (let index = 0; index < 5; index++) shipper.append(`${index}${line}`);
    await Promise.all([shipper.flush(persistence), shipper.flush(persistence)]);
    shipper.append("last");
    await shipper.flush(persistence);
    expect(lease.text.split("\n").map((one) => one.slice(0, 4))).toEqual([
      "0xxx",
      "1xxx",
      "2xxx",
      "3xxx",
      "4xxx",
      "last",
      "",
    ]);
    expect(lease.asked.length).toBe(6);
  });

  it("sends a chunk again whose answer was lost, at the same place", async () => {
    const { log } = lease;
    let isLost = true;
    lease.log = async (chunk) => {
      const answer = await log.call(lease, chunk);
      if (!isLost) return answer;
      isLost = false;
      throw lost();
    };
    shipper.append("once");
    await expect(shipper.flush({ ...persistence, patience: 0 })).rejects.toThrow("fetch failed");
    shipper.append("more");
    await shipper.flush(persistence);
    expect(lease.text).toBe("once\nmore\n");
  });

  it("sends nothing more once the log is full", async () => {
    lease.log = async ({ offset, bytes }) => ({ next: offset + bytes.length, truncated: true });
    shipper.append("first");
    await shipper.flush(persistence);
    shipper.append("second");
    await shipper.flush(persistence);
    expect(lease.asked).toEqual([]);
  });

  it("goes on where a deployment's log ends that lost a part", async () => {
    shipper.append("lost with a disk");
    await shipper.flush(persistence);
    lease.received = Buffer.alloc(0);
    shipper.append("next");
    lease.meddle = () => {
      lease.meddle = () => undefined;
      const problem = { type: "x", title: "t", status: 409, code: "log-gap", detail: "d", next: 0 };
      throw new ApiError("POST", 409, problem);
    };
    await shipper.flush(persistence);
    expect(lease.text).toBe("next\n");
  });
});
