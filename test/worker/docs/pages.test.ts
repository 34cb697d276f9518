import { exports } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { PROBLEMS } from "../../../shared/problem.ts";
import { type ApiDocument, operationsOf } from "../../../worker/docs/api-document.ts";
import { html, prose } from "../../../worker/docs/html.ts";
import { referencePage } from "../../../worker/docs/reference-page.ts";

const send = (path: string, init?: RequestInit) =>
  (exports as unknown as { default: { fetch: typeof fetch } }).default.fetch(
    new Request(`https://edgefuse.example${path}`, init),
  );

describe("the reference page", () => {
  it("has an entry for every operation, schema and group, and every link within it leads somewhere", async () => {
    const response = await send("/docs");
    expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
    const text = await response.text();
    const document = await (await send("/openapi.json")).json<ApiDocument>();
    const ids = [...text.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id ?? "");
    expect(new Set(ids).size).toBe(ids.length);
    for (const { operation } of operationsOf(document)) expect(ids).toContain(operation.operationId);
    for (const name of Object.keys(document.components.schemas)) expect(ids).toContain(`schema-${name}`);
    const links = [...text.matchAll(/href="([^"]+)"/g)].map(([, link]) => link ?? "");
    expect(links.filter((link) => link.startsWith("#") && !ids.includes(link.slice(1)))).toEqual([]);
    for (const link of new Set(links.filter((one) => one.startsWith("/")))) {
      expect([link, (await send(link)).status]).toEqual([link, 200]);
    }
  });

  it("needs no network and runs nothing", async () => {
    for (const path of ["/docs", "/docs/problems"]) {
      const response = await send(path);
      const text = await response.text();
      expect(text).not.toMatch(
        /<(script|link|img|iframe|form|object|embed|base)\b|\son\w+=|@import|url\(|javascript:/i,
      );
      const style = /<style>([^]*?)<\/style>/.exec(text)?.[1] ?? "";
      const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(style)));
      expect(response.headers.get("content-security-policy")).toContain(
        `style-src 'sha256-${btoa(String.fromCharCode(...digest))}'`,
      );
      expect(text).not.toMatch(/\sstyle="/);
    }
  });

  it("is made once and validated after that", async () => {
    const etag = (await send("/docs")).headers.get("etag") ?? "";
    expect((await send("/docs", { headers: { "if-none-match": etag } })).status).toBe(304);
    const head = await send("/docs", { method: "HEAD" });
    expect([head.status, await head.text()]).toEqual([200, ""]);
  });

  it("takes nothing of the description for markup", () => {
    const evil = '<script>alert(1)</script>"onload=x';
    const document: ApiDocument = {
      openapi: "3.1.0",
      info: { title: evil, version: evil, description: evil },
      tags: [{ name: "T", description: evil }],
      paths: {
        [`/${evil}`]: {
          get: {
            operationId: "a",
            tags: ["T"],
            summary: evil,
            description: evil,
            parameters: [
              { name: evil, in: "query", schema: { type: evil, default: evil, pattern: evil, description: evil } },
            ],
            responses: { 200: { description: evil, content: { [evil]: { schema: { enum: [evil] } } } } },
          },
        },
      },
      components: { schemas: { S: { type: "object", description: evil, properties: { [evil]: { const: evil } } } } },
    };
    const { text } = referencePage(document);
    expect(text).toContain("&lt;script&gt;");
    expect(text).not.toMatch(/<script|"onload/);
  });
});

describe("problems", () => {
  it("have types that lead to their entries", async () => {
    const response = await send("/v1/tokens");
    const { type } = await response.json<{ type: string }>();
    expect(type).toBe("/docs/problems#unauthorized");
    const text = await (await send(type.split("#")[0] ?? "")).text();
    for (const [code, { status }] of Object.entries(PROBLEMS)) {
      expect(text.split(`<tr id="${code}">`).length, code).toBe(2);
      expect(new RegExp(`<tr id="${code}">[^]*?<td>${status}</td>`).exec(text)?.[0].split("<tr ").length, code).toBe(2);
    }
  });
});

describe("markup", () => {
  it("escapes what is put into it, and nothing twice", () => {
    // By another name, since the formatter lays out what it knows for markup.
    const markup = html;
    expect(markup`<p class="${'"'}">${"<&>"}${markup`<b>${"&"}</b>`}${[1, undefined, markup`<i>`]}</p>`.text).toBe(
      '<p class="&quot;">&lt;&amp;&gt;<b>&amp;</b>1<i></p>',
    );
    expect(prose("a `<b>` & `c`").text).toBe("a <code>&lt;b&gt;</code> &amp; <code>c</code>");
  });
});
