// The counter of examples/counter as a Durable Object: the same paths, answers and storage operations.
import { DurableObject } from "cloudflare:workers";

export class Counter extends DurableObject {
  fetch(request) {
    const storage = this.ctx.storage.kv;
    const action = request.url.slice(request.url.lastIndexOf("/"));
    let n = storage.get("n") ?? 0;
    if (request.method === "POST" && action === "/increment") storage.put("n", ++n);
    else if (request.method !== "GET" || action !== "/value") return new Response("POST increment, GET value\n", { status: 404 });
    return new Response(`{"value":${n}}`, { headers: { "Content-Type": "application/json" } });
  }
}

export default {
  fetch(request, env) {
    const [, , , , name] = new URL(request.url).pathname.split("/");  // /v1/objects/counter/NAME/ACTION
    return env.COUNTER.getByName(name).fetch(request);
  },
};
