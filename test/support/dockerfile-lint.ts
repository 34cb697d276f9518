interface Instruction {
  readonly keyword: string;
  readonly text: string;
}

/** Names that say that a value is secret. */
const SECRET = /token|secret|passw|credential|private_?key|api_?key|access_?key/i;

/** Instructions of a Dockerfile, without comments, each on one line. */
export function parseDockerfile(text: string): Instruction[] {
  const lines = text.split("\n").filter((line) => !/^\s*#/.test(line));
  const joined = lines.join("\n").replaceAll(/\\\n\s*/g, "");
  return joined
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => {
      const [, keyword = "", rest = ""] = /^\s*(\S+)\s+(.*)$/.exec(line) ?? [];
      return { keyword: keyword.toUpperCase(), text: rest };
    });
}

/** The words of an instruction in exec form; undefined of one in shell form. */
export function execForm(text: string): string[] | undefined {
  try {
    const words: unknown = JSON.parse(text);
    return Array.isArray(words) && words.every((word) => typeof word === "string") ? words : undefined;
  } catch {
    return undefined;
  }
}

/** What is wrong with a Dockerfile, by the names of hadolint's rules where it has one. */
export function lintDockerfile(text: string): string[] {
  const found: string[] = [];
  const instructions = parseDockerfile(text);
  const of = (keyword: string) => instructions.filter((one) => one.keyword === keyword).map((one) => one.text);
  const last = (keyword: string) => of(keyword).at(-1);

  for (const from of of("FROM")) {
    const [image = ""] = from.split(/\s+/);
    const tag = /:([^/@]+)(@sha256:[0-9a-f]{64})?$/.exec(image)?.[1];
    if (tag === undefined) found.push(`DL3006 ${image} has no tag`);
    else if (tag === "latest") found.push(`DL3007 ${image} is whatever is the latest`);
    else if (!/\d{8}|\d+\.\d+/.test(tag)) found.push(`the tag of ${image} moves`);
  }
  const user = last("USER");
  if (user === undefined || /^(root|0)(:|$)/.test(user)) found.push("DL3002 the last user is root");
  // Kubernetes cannot tell of a name that it is not root's.
  else if (!/^\d+(:\d+)?$/.test(user)) found.push("the user is not a number");
  for (const run of of("RUN")) {
    if (/\bsudo\b/.test(run)) found.push("DL3004 sudo");
    if (/\b(curl|wget)\b[^|]*\|\s*(ba)?sh\b/.test(run)) found.push("runs what it downloads");
    if (!/\bapt(-get)?\s+install\b/.test(run)) continue;
    if (/\bapt\s+install\b/.test(run)) found.push("DL3027 apt is for people");
    if (!/--no-install-recommends/.test(run)) found.push("DL3015 recommended packages come too");
    if (!/\s(-y|--yes)\b/.test(run)) found.push("DL3014 apt-get asks");
    if (!/apt-get update\s*&&/.test(run)) found.push("the package lists may be old");
    if (!/rm -rf \/var\/lib\/apt\/lists\/\*\s*$/.test(run)) found.push("DL3009 the package lists stay");
  }
  for (const keyword of ["ENTRYPOINT", "CMD"]) {
    const all = of(keyword);
    if (all.length > 1) found.push(`${keyword} is given twice`);
    if (all.some((one) => execForm(one) === undefined)) found.push(`DL3025 ${keyword} is not in exec form`);
  }
  if (last("ENTRYPOINT") === undefined) found.push("there is no ENTRYPOINT");
  const [health] = of("HEALTHCHECK");
  if (health === undefined) found.push("there is no HEALTHCHECK");
  else if (execForm(health.replace(/^.*?\bCMD\s+/, "")) === undefined) found.push("HEALTHCHECK is not in exec form");
  for (const workdir of of("WORKDIR")) if (!workdir.startsWith("/")) found.push("DL3000 WORKDIR is relative");
  for (const add of of("ADD")) {
    if (/:\/\//.test(add)) found.push("ADD downloads");
    else if (!/\.tar(\.\w+)?\s/.test(add)) found.push("DL3020 ADD where COPY does");
  }
  for (const one of [...of("ENV"), ...of("ARG")]) {
    const name = one.split("=").find((part) => SECRET.test(part));
    if (name !== undefined) found.push(`a secret would be kept in the image: ${name}`);
  }
  for (const copy of [...of("COPY"), ...of("ADD")]) {
    if (/(^|[\s/])(\.env|\S+\.env|\.git|\.npmrc|id_\w+)(\s|\/|$)/.test(copy)) found.push(`a secret is copied: ${copy}`);
    if (/^(--\S+\s+)*\.\s/.test(copy)) found.push("the whole folder is copied");
  }
  return found;
}
