import { describe, expect, it } from "vitest";
import { childEnvironment } from "../../../trainer/agent/child-environment.ts";

const facts = { job: "01J0000000000000000000000A", attempt: 3 };

describe("the environment of a job", () => {
  it("says which job and attempt it is, and has no colours", () => {
    expect(childEnvironment({}, facts)).toEqual({
      NO_COLOR: "1",
      TERM: "dumb",
      EDGEFUSE_JOB: facts.job,
      EDGEFUSE_ATTEMPT: "3",
    });
  });

  it("has what programs, folders and GPUs are found by", () => {
    const agent = {
      PATH: "/bin",
      HOME: "/home/agent",
      LC_ALL: "C.UTF-8",
      EDGEFUSE_CACHE: "/cache",
      CUDA_VISIBLE_DEVICES: "0",
      VK_DRIVER_FILES: "/icd.json",
      HTTPS_PROXY: "http://proxy.example:3128",
    };
    expect(childEnvironment(agent, facts)).toMatchObject(agent);
  });

  it.each([
    ...["EDGEFUSE_TOKEN", "EDGEFUSE_URL", "EDGEFUSE_S3_BUCKET", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"],
    ...["AWS_SESSION_TOKEN", "GITHUB_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "CLOUDFLARE_API_TOKEN", "NPM_TOKEN"],
    ...["NODE_OPTIONS", "NODE_PATH", "LD_PRELOAD", "EDGEFUSE_DEBUG", "SOMETHING_NEW"],
  ])("has no %s", (name) => {
    expect(childEnvironment({ [name]: "secret", PATH: "/bin" }, facts)).not.toHaveProperty(name);
  });

  it("has no proxy with a password in its address", () => {
    const agent = { HTTP_PROXY: "http://me:secret@proxy.example:3128", https_proxy: "proxy" };
    expect(Object.keys(childEnvironment(agent, facts))).not.toEqual(expect.arrayContaining(["HTTP_PROXY"]));
    expect(JSON.stringify(childEnvironment(agent, facts))).not.toContain("secret");
  });

  it("cannot be told by the agent's environment that it is another job", () => {
    expect(childEnvironment({ EDGEFUSE_JOB: "other", EDGEFUSE_ATTEMPT: "9" }, facts)).toMatchObject({
      EDGEFUSE_JOB: facts.job,
      EDGEFUSE_ATTEMPT: "3",
    });
  });
});
