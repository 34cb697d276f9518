import * as z from "zod";

/** Query of every list: how many, and where the page before ended. */
export const pageQuery = z.object({
  limit: z.coerce.number().int().min(1).max(200).default(50).describe("Entries a page"),
  cursor: z
    .string()
    .regex(/^[0-9]{1,15}$/, "a cursor from an earlier page")
    .optional()
    .describe("`next` of the page before; opaque"),
});

/** A page of a list, newest first. `next` is the cursor of the following page, null on the last one. */
export function pageOf<Item extends z.ZodType>(item: Item) {
  return z.object({ items: z.array(item), next: z.string().nullable() });
}

export interface Page<Item> {
  readonly items: Item[];
  readonly next: string | null;
}
