import { expect, it } from "vitest";
import { preferredForm } from "../../../worker/pages/negotiate.ts";

it.each([
  [undefined, "json"],
  ["", "json"],
  ["*/*", "json"],
  ["text/*", "json"],
  ["application/json", "json"],
  ["text/html", "html"],
  ["TEXT/HTML", "html"],
  ["text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8", "html"],
  ["text/html;q=0.5, application/json", "json"],
  ["text/html, application/json;q=0.9", "html"],
  ["application/json, text/html", "html"],
  ["text/html;q=0", "json"],
  ["text/html; charset=utf-8; q=0.3, application/json; q=0.2", "html"],
  ["text/htmlx, application/xhtml+xml", "json"],
] as const)("%s gets %s", (accept, form) => {
  expect(preferredForm(accept)).toBe(form);
});
