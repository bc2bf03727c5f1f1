// The two servers under test, both on a free port of the loopback and with their data in a directory of the caller's.
// Both answer POST {url}NAME/increment and GET {url}NAME/value.
import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));

// How to start each, and how its output says the port: on the standard output, or on workerd's control channel.
const kinds = {
  holdfast: {
    command: (data) => ["build/release/examples/counter", "--data", data, "--listen", "127.0.0.1:0", "--log-level", "warn"],
    says: { stream: 1, port: /listening on http:\/\/127\.0\.0\.1:(\d+)/ },
  },
  workerd: {
    command: (data) => [join(here, "node_modules/@cloudflare/workerd-linux-64/bin/workerd"), "serve", join(here, "workerd.capnp"),
      "--directory-path", `disk=${data}`, "--socket-addr", "http=127.0.0.1:0", "--control-fd", "3"],
    says: { stream: 3, port: /"event":"listen","socket":"http","port":(\d+)/ },
  },
};
export const names = Object.keys(kinds);

export class Server {
  static #running = new Set();

  // `wrapper`: words in front of the command, of a program that becomes the server.
  static async start(name, directory, wrapper = []) {
    const data = join(directory, name);
    mkdirSync(data, { recursive: true });
    const log = join(directory, `${name}.log`);
    const { command, says } = kinds[name];
    const [program, ...args] = [...wrapper, ...command(data)];
    const fd = openSync(log, "a");
    const process = spawn(program, args, { stdio: ["ignore", says.stream === 1 ? "pipe" : fd, fd, "pipe"] });
    closeSync(fd);
    const server = new Server(name, directory, process);
    Server.#running.add(server);
    const port = await new Promise((found, failed) => {
      createInterface({ input: process.stdio[says.stream] }).on("line", (line) => {
        const match = says.port.exec(line);
        if (match) found(match[1]);
      });
      process.once("error", failed);
      process.once("exit", () => failed(new Error(`${name} ended: ${readFileSync(log, "utf8").slice(-2000)}`)));
    });
    server.url = `http://127.0.0.1:${port}/v1/objects/counter/`;
    return server;
  }
  static killAll() {
    for (const server of Server.#running) server.process.kill("SIGKILL");
  }

  constructor(name, directory, process) {
    this.name = name;
    this.directory = directory;
    this.process = process;
    this.ended = new Promise((resolve) => process.once("exit", resolve));
    this.book = join(directory, `${name}.book`);  // what was asked of it and what it answered: see object_load
  }
  pause() { this.process.kill("SIGSTOP"); }
  resume() { this.process.kill("SIGCONT"); }
  residentMiB() {
    return Number(readFileSync(`/proc/${this.process.pid}/statm`, "utf8").split(" ")[1]) * 4 / 1024;
  }
  async kill() {
    this.process.kill("SIGKILL");
    await this.ended;
    Server.#running.delete(this);
  }
  // The worst end, and the same data again.
  async crash() {
    await this.kill();
    return Server.start(this.name, this.directory);
  }
}
