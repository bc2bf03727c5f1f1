// What every measurement here shares: the load, the count of syncs, medians, progress, and a place for the data.
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Server } from "./servers.mjs";

const here = dirname(fileURLToPath(import.meta.url));

export const list = (text) => text.split(",").map(Number);
export const median = (numbers) => {
  const sorted = [...numbers].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
};

export const progress = (text) => process.stderr.write(process.stderr.isTTY ? `\r\x1b[K${text}` : `${text}\n`);
export const progressEnds = () => { if (process.stderr.isTTY) progress(""); };

// A directory that a server under another user can reach.
export function temporary(prefix) {
  const directory = mkdtempSync(prefix);
  chmodSync(directory, 0o755);
  return directory;
}

// A directory that goes away with this process, and every server with it.
export function workDirectory(prefix) {
  mkdirSync(dirname(prefix), { recursive: true });
  const work = temporary(prefix);
  process.on("exit", () => {
    for (const child of children) child.kill("SIGKILL");
    Server.killAll();
    for (let tries = 0; existsSync(work) && tries < 50; ++tries) {  // what was killed may still write for a moment
      try {
        rmSync(work, { recursive: true, force: true });
      } catch {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
      }
    }
  });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => process.exit(130));
  return work;
}

export const machine = () => ({
  cores: cpus().length,
  model: cpus()[0].model,
  memory_gib: Math.round(totalmem() / 2 ** 30),
  open_files_max: Number(execFileSync("sh", ["-c", "ulimit -n"], { encoding: "utf8" })),
});

// ---- load ------------------------------------------------------------------------------------------------------

export const faults = { count: 0 };  // of all requests of this run, whatever they were for

const silent = { stdio: ["ignore", "pipe", "ignore"] };

const children = new Set();

// What the program says, whatever it returns.
export async function run(program, args, options = {}) {
  const child = spawn(program, args.map(String), { stdio: ["ignore", "pipe", "inherit"], timeout: 900_000, ...options });
  children.add(child);
  let text = "";
  child.stdout.on("data", (piece) => { text += piece; });
  await once(child, "close");
  children.delete(child);
  return text;
}

// `how`: options of peer_load by their names: { objects, connections, seconds, warmup, requests, seed, each, check }.
async function peerLoad(work, server, how, options = {}) {
  const words = Object.entries(how).flatMap(([name, value]) => value === true ? [`--${name}`] : [`--${name}`, value]);
  const text = await run("build/release/bin/peer_load", [work, server.url, "--json", ...server.kind.load ?? [], ...words], options);
  if (!text) throw new Error(`no load on ${server.name}`);
  return JSON.parse(text);
}

// PostgreSQL's own load, which writes a line for each transaction. Its time includes that for the connections, which may
// be all of it: then it gets more.
async function pgbench(server, { objects, connections, seconds = 0, warmup = 0, requests = 0 }) {
  const time = Math.ceil(Number(seconds) + Number(warmup));
  for (let more = 0; more < 20; more += 4) {
    const bound = requests > 0 ? ["-t", Math.ceil(requests / connections)] : ["-T", time + more];
    const logs = temporary(join(server.directory, "pgbench."));
    const said = await run("/usr/lib/postgresql/15/bin/pgbench", ["-h", "127.0.0.1", "-p", server.ports[0], "-U", "postgres", "-n", "-M", "prepared",
      "-c", connections, "-j", 1, ...bound, "-D", `sessions=${objects}`, "-f", join(here, "append.pgbench"),
      "-l", "--log-prefix", join(logs, "log"), "postgres"], silent);
    const lines = readdirSync(logs).flatMap((name) => readFileSync(join(logs, name), "utf8").split("\n").filter(Boolean));
    rmSync(logs, { recursive: true });
    const failed = Number(/failed transactions: (\d+)/.exec(said)?.[1] ?? 0);
    const summary = summaryOf(lines, Number(warmup) * 1e6);
    if (said.includes("tps = ") && (summary.p50_ms > 0 || requests > 0)) return { ...summary, errors: failed };
    if (requests > 0) break;
  }
  throw new Error(`no load on ${server.name}`);
}

// Of lines `client number micros script second microsecond`, without those of the first `warmup` microseconds.
function summaryOf(lines, warmup) {
  const done = lines.map((line) => line.split(" ").map(Number)).map(([,, micros,, s, us]) => ({ micros, at: s * 1e6 + us }));
  if (done.length === 0) return { requests_per_second: 0, p50_ms: 0, p99_ms: 0, answered: 0 };
  const [first, last] = [Math.min, Math.max].map((best) => done.map(({ at }) => at).reduce((a, b) => best(a, b)));
  const counted = done.filter(({ at }) => at >= first + warmup).map(({ micros }) => micros).sort((a, b) => a - b);
  const part = (p) => counted[Math.min(counted.length - 1, Math.floor(p * counted.length))] / 1000;
  return { requests_per_second: counted.length / ((last - first - warmup) / 1e6), p50_ms: part(0.5), p99_ms: part(0.99), answered: done.length };
}

async function judged(result) {
  const done = await result;
  faults.count += done.errors;
  return done;
}

// On a counter; every answer is held to the book of that server.
export const count = (server, how) => judged(peerLoad("counter", server, { book: server.book, ...how }));

// Appends messages to sessions.
export const append = (server, how) => judged(server.url.startsWith("postgres:") ? pgbench(server, how) : peerLoad("message", server, how));

// Waits for the first append that succeeds; what is refused before, while a log is being read, is no fault.
export async function firstAnswer(server, objects) {
  const one = { objects, connections: 1, requests: 1 };
  for (let tries = 0; tries < 10_000; ++tries) {
    const { errors } = await (server.url.startsWith("postgres:") ? pgbench(server, one) : peerLoad("message", server, one, silent)).catch(() => ({}));
    if (errors === 0) return;
  }
  throw new Error(`${server.name} answers nothing after a restart`);
}

// Each session of `objects` once, with 64 connections; at most for `seconds`.
export async function fill(server, objects, seconds = 600) {
  if (server.kind.fill) await server.kind.fill(server, objects);
  else await append(server, { objects, connections: 64, each: true, seconds });
}

// ---- syncs -----------------------------------------------------------------------------------------------------

const kDelayMs = 20;
export const traceable = spawnSync("strace", ["-D", "-f", "--seccomp-bpf", "-o", "/dev/null", "true"]).status === 0;

// On a fresh server of which strace sees what `kind` calls a sync, and stops it at these calls only: `what(server, lines)`,
// where lines() is what strace wrote.
async function traced(name, kind, work, words, what) {
  if (!traceable) return null;
  const directory = temporary(join(work, "syncs."));
  const file = (part) => join(directory, `trace.${part}`);
  const { trace = "fsync,fdatasync" } = kind;
  const server = await Server.start(name, kind, directory,
    (part) => ["strace", "-D", "-f", "-y", "--seccomp-bpf", "-qq", "-e", `trace=${trace}`, ...words(trace), "-o", file(part)]);
  try {
    return await what(server, () => kind.parts.flatMap((_, part) => readFileSync(file(part), "utf8").split("\n")));
  } finally {
    await server.kill();
    rmSync(directory, { recursive: true, force: true });
  }
}

// Flushes that the disk below `path` has completed, for whoever; null where the kernel does not count them.
function flushesOf(path) {
  const { dev } = statSync(path);
  const [major, minor] = [(dev >>> 8) & 0xfff, (dev & 0xff) | ((dev >>> 12) & 0xfff00)];
  const disk = readFileSync("/proc/diskstats", "utf8").split("\n").map((line) => line.trim().split(/\s+/).map(Number))
    .find((fields) => fields[0] === major && fields[1] === minor);
  return disk?.[18] > 0 ? disk[18] : null;
}

// How many requests share one sync, as the kernel sees it, and one flush of the disk, on 100 objects that are there
// already; null when there is no strace that may trace. They are grouped as they are without it. `apply` is count() or append(); `first(server)` writes
// each object once.
export function syncsOf(name, kind, work, { first, apply, cells }) {
  progress(`syncs of ${name}`);
  const { syncs = /\b(fsync|fdatasync)\(/ } = kind;
  return traced(name, kind, work, () => [], async (server, lines) => {
    await first(server);
    const counted = [];
    for (const [connections, requests] of cells) {
      const before = lines().filter((line) => syncs.test(line)).length;
      const flushed = flushesOf(server.data);
      const { answered } = await apply(server, { objects: 100, connections, requests });
      const made = lines().filter((line) => syncs.test(line)).length - before;
      const flushes = flushed === null ? null : flushesOf(server.data) - flushed;
      const share = (n) => n ? answered / n : null;
      counted.push({ connections, requests: answered, syncs: made, flushes, requests_per_sync: share(made), requests_per_flush: share(flushes) });
    }
    return counted;
  });
}

// Whether an append waits for its sync: how long it takes when the kernel makes each sync kDelayMs longer. Null: as above.
export function delayedBySyncs(name, kind, work) {
  progress(`${name} with slow syncs`);
  return traced(name, kind, work, (trace) => ["-e", `inject=${trace}:delay_exit=${kDelayMs * 1000}`], async (server) => {
    await fill(server, 10);
    const { p50_ms } = await append(server, { objects: 10, connections: 1, requests: 50 });
    return { delay_ms: kDelayMs, p50_ms };
  });
}

// ---- words -----------------------------------------------------------------------------------------------------

export const rate = (n) => n.toFixed(0).replace(/\B(?=(\d{3})+$)/g, " ");
export const ms = (n) => n.toFixed(n < 1 ? 2 : n < 10 ? 1 : 0);
export const table = (head, rows) => {
  const line = (row) => `| ${row.join(" | ")} |\n`;
  return `${line(head)}|${"---|".repeat(head.length)}\n${rows.map(line).join("")}`;
};
export const speed = ({ requests_per_second, p50_ms }) => `${rate(requests_per_second)} (${ms(p50_ms)})`;
