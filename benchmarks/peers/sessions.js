// A session as a Durable Object: POST appends the body as a row and counts it. The answer waits until both are on disk.
import { DurableObject } from "cloudflare:workers";

export class Session extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env);
    ctx.storage.sql.exec("CREATE TABLE IF NOT EXISTS messages (seq INTEGER PRIMARY KEY, body TEXT NOT NULL)");
  }
  async fetch(request) {
    const body = await request.text();
    const { sql, kv } = this.ctx.storage;
    const n = (kv.get("n") ?? 0) + 1;
    kv.put("n", n);
    sql.exec("INSERT INTO messages (seq, body) VALUES (?, ?)", n, body);
    return new Response(`{"seq":${n}}`, { status: 202, headers: { "Content-Type": "application/json" } });
  }
}

export default {
  fetch(request, env) {
    const [, , , name] = new URL(request.url).pathname.split("/");  // /v1/sessions/NAME/messages
    return env.SESSION.getByName(name).fetch(request);
  },
};
