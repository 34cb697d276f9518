import type { FixedLengthStream as Pipe, R2Bucket } from "@cloudflare/workers-types";

declare const FixedLengthStream: typeof Pipe;

/** What fusing is measured against: one object copied to another through the stream that a fusion is stored through. */
export default {
  async fetch(request: Request, { BUCKET }: { readonly BUCKET: R2Bucket }): Promise<Response> {
    const { searchParams } = new URL(request.url);
    const object = await BUCKET.get(searchParams.get("from") ?? "");
    if (object === null) return new Response("no such object", { status: 404 });
    const pipe = new FixedLengthStream(object.size);
    const copied = object.body.pipeTo(pipe.writable);
    await Promise.all([copied, BUCKET.put(searchParams.get("to") ?? "", pipe.readable)]);
    return new Response("copied");
  },
};
