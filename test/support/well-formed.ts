import { expect } from "vitest";

/** Every element is closed, in order, and no text holds a bare `&` or `<`. */
export function expectWellFormed(svg: string): void {
  const open: string[] = [];
  const rest = svg.replaceAll(/<(\/?)([A-Za-z]+)((?:\s[\w:-]+="[^"<]*")*)\s*(\/?)>/g, (_, close, name, __, self) => {
    if (close === "/") expect(open.pop()).toBe(name);
    else if (self !== "/") open.push(name as string);
    return "";
  });
  expect(open).toEqual([]);
  expect(rest).not.toMatch(/<|&(?!(amp|lt|gt|quot|#39);)/);
}
