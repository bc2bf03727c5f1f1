// A server under test: one or more processes on free ports of the loopback, with their data in a directory of the
// caller's. kinds.mjs says what there is.
import { spawn, spawnSync } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

const kReadyMs = 120_000;

const freePort = () => new Promise((found) => {
  const probe = createServer().listen(0, "127.0.0.1", () => {
    const { port } = probe.address();
    probe.close(() => found(port));
  });
});

const reachable = (port) => new Promise((found) => {
  const socket = connect(port, "127.0.0.1", () => { socket.destroy(); found(true); });
  socket.on("error", () => found(false));
});

function isAlive(pid) {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

// A process and all that it started, and they started.
function family(pid) {
  const children = new Map();
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const parent = readFileSync(`/proc/${entry}/stat`, "utf8").replace(/^.*\) \S+ /s, "").split(" ")[0];
      children.set(parent, [...children.get(parent) ?? [], entry]);
    } catch { /* it has ended */ }
  }
  const all = [String(pid)];
  for (const one of all) all.push(...children.get(one) ?? []);
  return all.map(Number);
}

class Part {
  // `wrapper`: words in front of the command, of a program that becomes the server.
  constructor({ command, says, env }, server, wrapper) {
    this.log = join(server.directory, `${server.name}.log`);
    const [program, ...args] = [...wrapper, ...command(server)];
    const fd = openSync(this.log, "a");
    this.process = spawn(program, args, { stdio: ["ignore", says?.stream === 1 ? "pipe" : fd, fd, "pipe"],
      env: { ...process.env, ...env?.(server) } });
    closeSync(fd);
    this.over = false;
    this.ended = new Promise((resolve) => this.process.once("exit", resolve)).then(() => { this.over = true; });
    this.failed = new Promise((_, failed) => {
      this.process.once("error", failed);
      this.process.once("exit", () => failed(new Error(`${server.name} ended: ${readFileSync(this.log, "utf8").slice(-2000)}`)));
    });
    this.failed.catch(() => {});
    this.says = says;
  }
  // The port that its output tells, or else the one that it was given, once somebody listens there.
  async port(given) {
    if (!this.says) {
      for (let waited = 0; !await reachable(given); waited += 5) {
        if (waited > kReadyMs) throw new Error(`nobody listens on port ${given}: see ${this.log}`);
        await Promise.race([sleep(5), this.failed]);
      }
      return given;
    }
    const said = new Promise((found) => {
      createInterface({ input: this.process.stdio[this.says.stream] }).on("line", (line) => {
        const match = this.says.port.exec(line);
        if (match) found(Number(match[1]));
      });
    });
    return Promise.race([said, this.failed]);
  }
  get family() { return this.over ? [] : family(this.process.pid); }
  signal(name) {
    for (const pid of this.family) {
      try { process.kill(pid, name); } catch { /* it has ended */ }
    }
  }
  // Sends the signal to the process, or SIGKILL to its whole family; over when all of them are.
  async end(name) {
    const all = this.family;
    if (name === "SIGKILL") this.signal(name);
    else if (!this.over) this.process.kill(name);
    await this.ended;
    for (let waited = 0; all.some(isAlive) && waited < kReadyMs; waited += 5) await sleep(5);
  }
}

export class Server {
  static #running = new Set();

  // `wrapper(part)`: words in front of the command of that part. `ports`: those of a run before.
  static async start(name, kind, directory, wrapper = () => [], ports = []) {
    const server = new Server(name, kind, directory);
    Server.#running.add(server);
    const fresh = !existsSync(server.data);
    mkdirSync(server.data, { recursive: true });
    server.ports = [...ports];
    for (let i = server.ports.length; i < (kind.ports ?? 0); ++i) server.ports.push(await freePort());
    if (fresh) await kind.prepare?.(server);
    try {
      const begin = performance.now();
      for (const [i, part] of kind.parts.entries()) {
        const started = new Part(part, server, wrapper(i));
        server.parts.push(started);
        server.ports[i] = await started.port(server.ports[i]);
      }
      server.readyS = (performance.now() - begin) / 1000;
      if (fresh) await kind.ready?.(server);
    } catch (error) {
      await server.kill();
      throw error;
    }
    server.url = kind.url(server);
    return server;
  }
  static killAll() {
    for (const server of Server.#running) server.signal("SIGKILL");
  }

  constructor(name, kind, directory) {
    this.name = name;
    this.kind = kind;
    this.directory = directory;
    this.data = join(directory, name);
    this.book = join(directory, `${name}.book`);  // what was asked of a counter and what it answered: see peer_load
    this.parts = [];
  }
  signal(name) { for (const part of this.parts) part.signal(name); }
  pause() { this.signal("SIGSTOP"); }
  resume() { this.signal("SIGCONT"); }
  // What its processes hold, a page that several share counted once.
  memoryBytes() {
    let kib = 0;
    for (const pid of this.parts.flatMap((part) => part.family)) {
      try {
        kib += Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))[1]);
      } catch { /* it has ended */ }
    }
    return kib * 1024;
  }
  diskBytes() {
    return Number(spawnSync("du", ["-s", "--block-size=1", this.data], { encoding: "utf8" }).stdout.split("\t")[0]);
  }
  async end(signal = "SIGKILL") {
    this.resume();
    for (const part of [...this.parts].reverse()) await part.end(signal);
    Server.#running.delete(this);
  }
  stop() { return this.end(this.kind.stop ?? "SIGTERM"); }
  kill() { return this.end(); }
  // The worst end, and the same data again.
  async crash() {
    await this.kill();
    return Server.start(this.name, this.kind, this.directory, undefined, this.ports);
  }
}
