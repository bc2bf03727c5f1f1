// What is measured side by side: how each is started, how its load is called, and how it says that it syncs.
//
//   title, version()   for the reader
//   needs              programs that have to be there, and who brings them
//   prepare(server)    once, before the first start on an empty directory
//   parts              its processes, in the order of their start; part i listens on ports[i]: its output says the port
//                      (`says`), or it is given one of `ports` free ones
//   ready(server)      once, after the first start
//   url(server)        where the load goes to; load: more words for peer_load
//   fill(server, n)    n sessions with a message each, faster than by requests
//   syncs, trace       which line of strace is a sync, of which calls; fsync and fdatasync if not said
//   how                how it syncs, in words
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { chownSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { userInfo } from "node:os";
import { dirname, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const inPackage = (path) => join(here, "node_modules", path);
const say = (program, ...args) => execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] }).trim();
const release = (text) => /\d+([.-]\d+)+/.exec(text)[0];
const http = ({ ports: [port] }, path) => `http://127.0.0.1:${port}${path}`;

const listening = { stream: 1, port: /listening on http:\/\/127\.0\.0\.1:(\d+)/ };

const workerdBinary = inPackage("@cloudflare/workerd-linux-64/bin/workerd");
const workerd = (config) => ({
  title: "workerd (Durable Objects)",
  version: () => release(say(workerdBinary, "--version")),
  parts: [{
    command: ({ data }) => [workerdBinary, "serve", join(here, config), "--directory-path", `disk=${data}`,
      "--socket-addr", "http=127.0.0.1:0", "--control-fd", "3"],
    says: { stream: 3, port: /"event":"listen","socket":"http","port":(\d+)/ },  // on its control channel
  }],
});
const holdfast = (...command) => ({
  title: "Holdfast",
  version: () => say("git", "describe", "--always", "--dirty"),
  parts: [{
    command: ({ data }) => [...command, "--data", data, "--listen", "127.0.0.1:0", "--log-level", "warn"],
    says: listening,
  }],
});

// Both answer POST {url}NAME/increment and GET {url}NAME/value.
export const counters = {
  holdfast: { ...holdfast("build/release/examples/counter"), url: (server) => http(server, "/v1/objects/counter/") },
  workerd: { ...workerd("counter.capnp"), url: (server) => http(server, "/v1/objects/counter/") },
};

// ---- Redis -----------------------------------------------------------------------------------------------------

const redisServer = {
  command: ({ data, ports }) => ["redis-server", "--bind", "127.0.0.1", "--port", ports[0], "--dir", data,
    "--appendonly", "yes", "--appendfsync", "always", "--save", ""].map(String),
};
const redis = ({ ports }, ...args) => say("redis-cli", "-p", String(ports[0]), ...args);
const redisNeeds = { "redis-server": "Debian's redis-server", "redis-cli": "Debian's redis-tools" };

// One request of an HTTP front is one command, so what is two commands natively is a function of the server here.
const kAppend = `#!lua name=session
redis.register_function('append', function(keys, args)
  redis.call('XADD', 's:' .. keys[1], '*', 'm', args[1])
  return redis.call('HINCRBY', 'c:' .. keys[1], 'n', 1)
end)`;

function configureWebdis({ data, ports }) {
  writeFileSync(join(data, "webdis.json"), JSON.stringify({
    redis_host: "127.0.0.1", redis_port: ports[0], http_host: "127.0.0.1", http_port: ports[1],
    threads: 2, pool_size: 64, daemonize: false, verbosity: 1, logfile: resolve(data, "webdis.log"),
  }));
}

// Of the stored sessions: 1 000 in a script, so that none runs long.
async function fillRedis(server, sessions) {
  redis(server, "CONFIG", "SET", "appendfsync", "no");
  const script = "for i = ARGV[1], ARGV[2] do redis.call('XADD', 's:' .. i, '*', 'm', ARGV[3]) redis.call('HINCRBY', 'c:' .. i, 'n', 1) end";
  for (let i = 0; i < sessions; i += 10_000) redis(server, "EVAL", script, "0", i, Math.min(i + 9_999, sessions - 1), "m".repeat(256));
  redis(server, "CONFIG", "SET", "appendfsync", "always");
}

// ---- PostgreSQL ------------------------------------------------------------------------------------------------

const postgresBin = "/usr/lib/postgresql/15/bin";
// It refuses to run as root.
const asPostgres = () => userInfo().uid === 0 ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] : [];
const psql = ({ ports }, sql) => say("psql", "-h", "127.0.0.1", "-p", String(ports[0]), "-U", "postgres", "-qAtc", sql);

function initPostgres({ data }) {
  if (asPostgres().length > 0) chownSync(data, Number(say("id", "-u", "postgres")), Number(say("id", "-g", "postgres")));
  const [program, ...args] = [...asPostgres(), join(postgresBin, "initdb"), "-D", data, "-U", "postgres", "-A", "trust", "--no-locale", "-E", "UTF8"];
  execFileSync(program, args, { stdio: ["ignore", "ignore", "inherit"] });
}

// It listens a moment before it takes anybody in.
async function createTables(server) {
  for (let tries = 0; spawnSync(join(postgresBin, "pg_isready"), ["-h", "127.0.0.1", "-p", String(server.ports[0]), "-U", "postgres"]).status !== 0; ++tries) {
    if (tries === 200) throw new Error("PostgreSQL is not ready after 20 s");
    await sleep(100);
  }
  psql(server, kSchema);
}
const kSchema = `
  create table sessions (id integer primary key, n bigint not null);
  create table messages (session integer, seq bigint, body text not null, primary key (session, seq));`;
function fillPostgres(server, sessions) {
  psql(server, `insert into sessions select i, 1 from generate_series(0, ${sessions - 1}) i;
    insert into messages select i, 1, repeat(md5(i::text), 8) from generate_series(0, ${sessions - 1}) i; checkpoint; analyze`);
}

// ---- Restate ---------------------------------------------------------------------------------------------------

const restateBinary = inPackage("@restatedev/restate-server-linux-x64/bin/restate-server");

// Tells it of the service, whose process then ends: what is measured is that a call is taken and kept, not that it runs.
// The first call of each session finds nobody and is paused; the others queue up behind it.
async function registerService({ ports: [, admin] }) {
  const service = spawn(process.execPath, [join(here, "restate_service.mjs")], { stdio: ["ignore", "pipe", "ignore"] });
  try {
    const uri = await new Promise((found, failed) => {
      service.once("exit", () => failed(new Error("the service that is declared to Restate did not start")));
      createInterface({ input: service.stdout }).on("line", (line) => {
        if (listening.port.test(line)) found(`http://127.0.0.1:${listening.port.exec(line)[1]}`);
      });
    });
    for (let tries = 0;; ++tries) {
      const answer = await fetch(`http://127.0.0.1:${admin}/deployments`, {
        method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ uri }) }).catch(() => null);
      if (answer?.ok) return;
      if (tries === 100) throw new Error(`Restate takes no service: ${await answer?.text()}`);
      await sleep(200);
    }
  } finally {
    service.kill("SIGKILL");
  }
}

const restateSettings = ({ ports: [ingress, admin, node] }) => ({
  DO_NOT_TRACK: "1",
  RESTATE_DISABLE_TELEMETRY: "true",
  RESTATE_INGRESS__BIND_ADDRESS: `127.0.0.1:${ingress}`,
  RESTATE_ADMIN__BIND_ADDRESS: `127.0.0.1:${admin}`,
  RESTATE_BIND_ADDRESS: `127.0.0.1:${node}`,
  RESTATE_ADMIN__DISABLE_WEB_UI: "true",
  RESTATE_LOG_FILTER: "error",
  RESTATE_DEFAULT_RETRY_POLICY__MAX_ATTEMPTS: "1",
  RESTATE_DEFAULT_RETRY_POLICY__ON_MAX_ATTEMPTS: "pause",
});

// ---- NATS ------------------------------------------------------------------------------------------------------

// Debian's version cannot be told to sync before it answers, but the file system can: with the attribute S each write
// of the files in a directory is synchronous.
function synchronousFiles({ data }) {
  try {
    execFileSync("chattr", ["+S", data], { stdio: "pipe" });
  } catch {
    throw new Error("its files cannot be made synchronous: chattr +S needs ext4 and its owner's or root's rights");
  }
}

// A stream that stores what is published to s.{session}.
function createStream({ ports: [port] }) {
  const stream = JSON.stringify({ name: "sessions", subjects: ["s.*"], retention: "limits", storage: "file", discard: "old",
    num_replicas: 1, max_consumers: -1, max_msgs: -1, max_bytes: -1, max_age: 0 });
  return new Promise((done, failed) => {
    let heard = "";
    const socket = connect(port, "127.0.0.1");
    socket.on("error", failed).on("data", (piece) => {
      heard += piece;
      if (!/"did_create"|"error"|-ERR/.test(heard)) return;
      socket.destroy();
      if (heard.includes('"did_create":true')) done();
      else failed(new Error(`NATS makes no stream: ${heard.slice(-500)}`));
    });
    socket.write(`CONNECT {"verbose":false}\r\nSUB _INBOX.make 1\r\n` +
      `PUB $JS.API.STREAM.CREATE.sessions _INBOX.make ${stream.length}\r\n${stream}\r\n`);
  });
}

const kSessionsPath = "/v1/sessions/s{}/messages";

// One durable append of 256 bytes to a session, and its counter.
export const sessions = {
  floor: {
    title: "the floor",
    version: () => say("git", "describe", "--always", "--dirty"),
    parts: [{ command: ({ data }) => ["build/release/bin/floor", "0", join(data, "log")], says: listening }],
    url: (server) => http(server, kSessionsPath),
    how: "one for all that wait; no sessions, no counters",
  },
  holdfast: {
    ...holdfast("build/release/bin/holdfast", "serve", "--queue-capacity", "1000000000"),
    url: (server) => http(server, kSessionsPath),
    how: "one for all that wait",
  },
  workerd: {
    ...workerd("sessions.capnp"),
    url: (server) => http(server, kSessionsPath),
    how: "each object for itself",
  },
  restate: {
    title: "Restate, one-way send",
    version: () => release(say(restateBinary, "--version")),
    ports: 3,
    parts: [{
      command: ({ data }) => [restateBinary, "--listen-mode", "tcp", "--node-name", "one", "--no-logo", "--base-dir", data],
      env: restateSettings,
    }],
    ready: registerService,
    url: (server) => http(server, "/session/s{}/append/send"),
    how: "one for all in a batch",
  },
  webdis: {
    title: "Redis behind HTTP (webdis)",
    version: () => `${release(say("dpkg-query", "-Wf", "${Version}", "webdis"))}, Redis ${sessions.redis.version()}`,
    needs: { ...redisNeeds, webdis: "Debian's webdis" },
    ports: 2,
    parts: [redisServer, { command: ({ data }) => ["webdis", join(data, "webdis.json")] }],
    prepare: configureWebdis,
    ready: (server) => redis(server, "FUNCTION", "LOAD", kAppend),
    url: ({ ports: [, port] }) => `http://127.0.0.1:${port}/FCALL/append/1/{}`,
    load: ["--method", "PUT", "--fault", "[false"],
    how: "one a turn of its loop (appendfsync always)",
  },
  redis: {
    title: "Redis, native",
    version: () => release(say("redis-server", "--version")),
    needs: redisNeeds,
    ports: 1,
    parts: [redisServer],
    url: ({ ports: [port] }) => `redis://127.0.0.1:${port}`,
    fill: fillRedis,
    how: "one a turn of its loop (appendfsync always)",
  },
  postgres: {
    title: "PostgreSQL, native",
    version: () => release(say(join(postgresBin, "postgres"), "--version")),
    needs: { [join(postgresBin, "postgres")]: "Debian's postgresql-15", [join(postgresBin, "pgbench")]: "Debian's postgresql-15" },
    ports: 1,
    stop: "SIGINT",
    prepare: initPostgres,
    parts: [{
      command: ({ data, ports }) => [...asPostgres(), join(postgresBin, "postgres"), "-D", data, "-p", String(ports[0]),
        "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "max_connections=300"],
    }],
    ready: createTables,
    url: ({ ports: [port] }) => `postgres://127.0.0.1:${port}`,
    fill: fillPostgres,
    how: "one for those that commit together",
  },
  nats: {
    title: "NATS JetStream, native",
    version: () => release(say("nats-server", "--version")),
    needs: { "nats-server": "Debian's nats-server", chattr: "Debian's e2fsprogs" },
    ports: 1,
    prepare: synchronousFiles,
    parts: [{ command: ({ data, ports }) => ["nats-server", "-js", "-sd", data, "-a", "127.0.0.1", "-p", String(ports[0])] }],
    ready: createStream,
    url: ({ ports: [port] }) => `nats://127.0.0.1:${port}`,
    syncs: /\bpwrite64\(.*\.blk>/,
    trace: "pwrite64",
    how: "each write of its files, which are marked synchronous (chattr +S)",
  },
};
