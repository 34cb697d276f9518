import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { execForm, lintDockerfile, parseDockerfile } from "../support/dockerfile-lint.ts";
import { parseCommand } from "../support/parse-command.ts";

const ROOT = join(import.meta.dirname, "../..");
const text = await readFile(join(ROOT, "infra/container/Dockerfile"), "utf8");
const instructions = parseDockerfile(text);
const only = (keyword: string) => {
  const [first, ...more] = instructions.filter((one) => one.keyword === keyword);
  expect(more, keyword).toEqual([]);
  return first?.text ?? "";
};

describe("the Dockerfile", () => {
  it("has nothing that a linter would complain about", () => {
    expect(lintDockerfile(text)).toEqual([]);
  });

  it.each<[RegExp, string, RegExp]>([
    [/debian:\S+/, "debian", /DL3006/],
    [/debian:\S+/, "debian:latest", /DL3007/],
    [/debian:\S+/, "debian:stable-slim", /tag of debian:stable-slim moves/],
    [/^USER .*$/m, "", /DL3002/],
    [/^USER .*$/m, "USER root", /DL3002/],
    [/^USER .*$/m, "USER nobody", /not a number/],
    [/ \\\n && rm -rf \/var\/lib\/apt\/lists\/\*/, "", /DL3009/],
    [/--no-install-recommends /, "", /DL3015/],
    [/--yes /, "", /DL3014/],
    [/^ENTRYPOINT .*$/m, "ENTRYPOINT edgefuse", /DL3025 ENTRYPOINT/],
    [/^CMD .*$/m, "CMD agent", /DL3025 CMD/],
    [/^HEALTHCHECK .*\\\n.*$/m, "", /no HEALTHCHECK/],
    [/^ADD .*$/m, "ADD https://example.com/edgefuse.tar.gz /opt/", /ADD downloads/],
    [/^ADD .*$/m, "COPY . /opt/edgefuse", /whole folder/],
    [/^ADD .*$/m, "COPY agent.env /etc/", /secret is copied/],
    [/^ENV /m, "ARG EDGEFUSE_TOKEN\nENV ", /secret would be kept/],
    [/^ENV /m, "ENV EDGEFUSE_TOKEN=ef_x\nENV ", /secret would be kept/],
  ])("would be complained about if %s were %j", (pattern, replacement, complaint) => {
    expect(text).toMatch(pattern);
    expect(lintDockerfile(text.replace(pattern, replacement))).toEqual([expect.stringMatching(complaint)]);
  });

  it("unpacks what `npm run bundle` packs, and starts what is in it", async () => {
    const [archive = "", target] = only("ADD").split(" ");
    expect(target).toBe("/opt/");
    const packing = await readFile(join(ROOT, "infra/bundle/main.ts"), "utf8");
    const folder = archive.replace(".tar.gz", "");
    expect(packing).toContain(`"dist/${folder}"`);
    const building = await readFile(join(ROOT, "infra/bundle/build-bundle.ts"), "utf8");
    expect(building).toContain('join(folder, "edgefuse")');
    expect(building).toContain('join(folder, "bin/node")');
    const link = /ln -s (\S+) (\S+)/.exec(text);
    expect(link?.[1]).toBe(`/opt/${folder}/edgefuse`);
    expect(execForm(only("ENTRYPOINT"))).toEqual([link?.[2]]);
  });

  it("has libraries that a driver of NVIDIA asks for, and asks the runtime for its Vulkan part", () => {
    const install = instructions.find(({ keyword, text: run }) => keyword === "RUN" && run.includes("apt-get"));
    for (const library of ["libvulkan1", "libegl1", "libx11-6", "libxext6"]) expect(install?.text).toContain(library);
    expect(/NVIDIA_DRIVER_CAPABILITIES=(\S+)/.exec(only("ENV"))?.[1]?.split(",")).toContain("graphics");
  });

  it("runs an agent unless it is told otherwise, in a folder that it may write", async () => {
    const { command, values } = await parseCommand(execForm(only("CMD")) ?? []);
    expect(command).toBe("agent");
    const home = /install -d -m 1777 (\S+)/.exec(text)?.[1] ?? "nowhere";
    expect(String(values["work-dir"])).toMatch(new RegExp(`^${home}/`));
    expect(only("ENV")).toContain(`HOME=${home} `);
    expect(only("ENV")).toContain(`EDGEFUSE_CACHE=${home}/`);
  });
});

describe("the health check of the container", () => {
  const words = execForm(only("HEALTHCHECK").replace(/^.*?\bCMD\s+/, "")) ?? [];

  /** As Docker runs it, but for where Node is. */
  async function check(environment: Readonly<Record<string, string>>): Promise<number | null> {
    expect(words[0]).toMatch(/^\/opt\/edgefuse-linux-x64\/bin\/node$/);
    const child = spawn(process.execPath, words.slice(1), { env: environment, stdio: "ignore" });
    return new Promise((resolve, reject) => {
      child.on("error", reject);
      child.on("close", resolve);
    });
  }

  async function withServer<Value>(status: number, use: (url: string, asked: string[]) => Promise<Value>) {
    const asked: string[] = [];
    const server = createServer(({ url = "" }, response) => {
      asked.push(url);
      response.writeHead(status).end();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      return await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  }

  it("is content where the deployment answers, and where there is none to be asked", async () => {
    await withServer(200, async (url, asked) => {
      expect(await check({ EDGEFUSE_URL: `${url}/` })).toBe(0);
      expect(asked).toEqual(["/healthz"]);
    });
    expect(await check({})).toBe(0);
  });

  it("is not where the deployment fails, or nobody answers", async () => {
    const gone = await withServer(503, async (url) => {
      expect(await check({ EDGEFUSE_URL: url })).toBe(1);
      return url;
    });
    expect(await check({ EDGEFUSE_URL: gone })).toBe(1);
  });
});
