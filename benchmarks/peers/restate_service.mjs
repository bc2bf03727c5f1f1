// The service that is declared to Restate: a session that counts what was sent to it.
import { createServer } from "node:http2";
import { createEndpointHandler, object } from "@restatedev/restate-sdk";

const session = object({
  name: "session",
  handlers: { append: async (context) => context.set("n", (await context.get("n") ?? 0) + 1) },
});
const server = createServer(createEndpointHandler({ services: [session] }));
server.listen(0, "127.0.0.1", () => console.log(`listening on http://127.0.0.1:${server.address().port}`));
