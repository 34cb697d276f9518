import { readdir, readFile } from "node:fs/promises";

/** Linux counts CPU time in hundredths of a second, whatever the kernel's own tick is. */
const TICKS = 100;

/**
 * CPU time that this process and everything it started have used so far, threads included, in seconds: unlike the time on
 * the wall, it hardly depends on what else the machine does.
 * @returns undefined where the system does not tell
 */
export async function cpuSeconds(): Promise<number | undefined> {
  const names = await readdir("/proc").catch(() => undefined);
  if (names === undefined) return undefined;
  const processes = new Map<number, { parent: number; ticks: number }>();
  for (const name of names) {
    if (!/^\d+$/.test(name)) continue;
    // It may have ended since.
    const text = await readFile(`/proc/${name}/stat`, "utf8").catch(() => undefined);
    if (text === undefined) continue;
    // The name is in brackets and may hold anything; what follows are numbers, from field 3 on.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    processes.set(Number(name), { parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) });
  }
  const isOurs = (id: number): boolean => {
    for (let at: number | undefined = id; at !== undefined && at > 1; at = processes.get(at)?.parent) {
      if (at === process.pid) return true;
    }
    return false;
  };
  let ticks = 0;
  for (const [id, one] of processes) if (isOurs(id)) ticks += one.ticks;
  return ticks / TICKS;
}
