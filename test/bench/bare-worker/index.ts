import { Hono } from "hono";

const bytes = new Uint8Array(8 * 2 ** 20).fill(7);

/** What serving is measured against: the least that a Hono route can do to send as many bytes. */
const app = new Hono();
app.get("/bytes/:length", (c) => c.body(bytes.subarray(0, Number(c.req.param("length"))).slice()));
app.get("/unchanged", (c) => c.body(null, 304));

export default app;
