import * as z from "zod";

/** Names of files that a model may have; a link may be asked for one of them. */
const modelFileName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/, "the name of a file, such as model.json")
  .default("model.safetensors");

/** A signed link to be made. */
export const createLinkRequest = z
  .strictObject({
    expiresIn: z
      .int()
      .min(1)
      .max(7 * 86_400)
      .describe("Seconds from now, at most seven days"),
    file: modelFileName.describe("Which file `url` names; the signature is good for every file of the model"),
  })
  .meta({ id: "CreateLinkRequest" });

/** A link that opens one model to whoever has it, until it expires. */
export const signedLink = z
  .object({
    url: z.string().describe("Absolute. TF.js copies its query to every file that model.json names"),
    expires: z.string().describe("RFC 3339"),
  })
  .meta({ id: "SignedLink" });

export type CreateLinkRequest = z.input<typeof createLinkRequest>;
export type SignedLink = z.infer<typeof signedLink>;
