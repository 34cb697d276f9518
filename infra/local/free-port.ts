import { randomInt } from "node:crypto";
import { createServer } from "node:net";

/**
 * A port below those that systems give to outgoing connections (32768 and up on Linux, 49152 elsewhere): a worker that is
 * started again on its port still finds it free.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = randomInt(10_240, 32_768);
    const probe = createServer();
    const free = await new Promise<boolean>((settle) => {
      probe.once("error", () => settle(false)).listen(port, "127.0.0.1", () => settle(true));
    });
    if (!free) continue;
    await new Promise((closed) => probe.close(closed));
    return port;
  }
  throw new Error("no port is free");
}
