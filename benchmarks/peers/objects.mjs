// The counter object on Holdfast and on workerd, side by side: see objects.sh, which prepares everything, and
// benchmarks/README.md, which says what the figures mean.
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { chart } from "./chart.mjs";
import { names, Server } from "./servers.mjs";

const usage = `usage: benchmarks/peers/objects.sh [OPTION]...
  --rounds N            pairs for each cell; the figures are their medians [3]
  --seconds S           that count in a cell [4]
  --warmup S            before them [1]
  --connections LIST    [1,16,64,256]
  --objects LIST        [1,100,10000]
  --seed N              of the choice of objects [1]
  --out DIR             for the JSON file and the plots [benchmarks/results/objects]
`;
const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "4" },
    warmup: { type: "string", default: "1" },
    connections: { type: "string", default: "1,16,64,256" },
    objects: { type: "string", default: "1,100,10000" },
    seed: { type: "string", default: "1" },
    out: { type: "string", default: "benchmarks/results/objects" },
    help: { type: "boolean", default: false },
  },
});
if (options.help) {
  process.stdout.write(usage);
  process.exit(0);
}
const list = (text) => text.split(",").map(Number);
const rounds = Number(options.rounds);
const kChecked = 256;      // objects read after each cell
const kCheckedAtEnd = 1000;  // ... and after the crash at the end

const work = mkdtempSync("build/objects.");  // on the project's disk; /tmp may be memory
process.on("exit", () => {
  Server.killAll();
  rmSync(work, { recursive: true, force: true });
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => process.exit(130));

const progress = (text) => process.stderr.write(process.stderr.isTTY ? `\r\x1b[K${text}` : `${text}\n`);
const median = (numbers) => {
  const sorted = [...numbers].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
};

let errors = 0;  // of all requests of this run, whatever they were for

async function load(server, ...args) {
  const child = spawn("build/release/bin/object_load", [server.url, "--book", server.book, "--json", ...args.map(String)],
    { stdio: ["ignore", "pipe", "inherit"], timeout: 600_000 });
  let text = "";
  child.stdout.on("data", (piece) => { text += piece; });
  await once(child, "close");
  if (!text) throw new Error(`no load on ${server.name}`);
  const result = JSON.parse(text);
  errors += result.errors;
  return result;
}

const each = async (what) => {
  const results = {};
  for (const name of names) results[name] = await what(name);
  return results;
};

// How many increments share one fsync or fdatasync, as the kernel sees it, on 100 objects that are there already; null
// when there is no strace. It stops the server at these calls only, so that they are grouped as they are without it.
async function syncs_of(name) {
  if (!traceable) return null;
  progress(`syncs of ${name}`);
  const directory = mkdtempSync(join(work, "syncs."));
  const trace = join(directory, "trace");
  const calls = () => (readFileSync(trace, "utf8").match(/\b(fsync|fdatasync)\(/g) ?? []).length;
  const server = await Server.start(name, directory,
    ["strace", "-D", "-f", "--seccomp-bpf", "-qq", "-e", "trace=fsync,fdatasync", "-o", trace]);
  await load(server, "--objects", 100, "--connections", 1, "--each");
  const counted = [];
  for (const [connections, increments] of [[1, 200], [64, 2000]]) {
    const before = calls();
    await load(server, "--objects", 100, "--connections", connections, "--requests", increments);
    const syncs = calls() - before;
    counted.push({ connections, increments, syncs, increments_per_sync: increments / syncs });
  }
  await server.kill();
  return counted;
}

// All cells of one number of objects, on one fresh store of each server in which every object has been incremented once.
// Of the two servers the one that is not measured stands still.
async function measure(objects, cells, first) {
  const directory = mkdtempSync(join(work, "cells."));
  const servers = await each((name) => Server.start(name, directory));
  first.push({ objects, servers: await each(async (name) => {
    progress(`${objects} objects: first increments on ${name}`);
    const { requests_per_second } = await load(servers[name], "--objects", objects, "--connections", 64, "--each");
    const resident_mib = Math.round(servers[name].residentMiB());
    servers[name].pause();
    return { requests_per_second, resident_mib };
  }) });
  for (const connections of list(options.connections)) {
    const cell = { objects, connections, rounds: [] };
    for (let round = 0; round < rounds; ++round) {
      cell.rounds.push(await each(async (name) => {
        progress(`${objects} objects, ${connections} connections: round ${round + 1} of ${rounds}, ${name}`);
        const server = servers[name];
        server.resume();
        const result = await load(server, "--objects", objects, "--connections", connections, "--seconds", options.seconds,
          "--warmup", options.warmup, "--seed", Number(options.seed) + round);
        await load(server, "--objects", objects, "--connections", 16, "--check", kChecked);
        server.pause();
        return result;
      }));
    }
    cells.push(summary_of(cell));
  }
  progress(`${objects} objects: kill -9, and all values again`);
  await each(async (name) => {
    const again = await servers[name].crash();
    await load(again, "--objects", objects, "--connections", 16, "--check", kCheckedAtEnd);
    await again.kill();
  });
}

// The ratios are medians of the pairs' ratios.
function summary_of(cell) {
  const of = (name, field) => median(cell.rounds.map((round) => round[name][field]));
  const ratio = (field) => median(cell.rounds.map(({ holdfast, workerd }) => holdfast[field] / workerd[field]));
  for (const name of names)
    cell[name] = Object.fromEntries(["requests_per_second", "p50_ms", "p99_ms"].map((field) => [field, of(name, field)]));
  cell.ratio = { throughput: ratio("requests_per_second"), p50: ratio("p50_ms") };
  return cell;
}

const rate = (n) => n.toFixed(0).replace(/\B(?=(\d{3})+$)/g, " ");
const ms = (n) => n.toFixed(n < 1 ? 2 : n < 10 ? 1 : 0);
const table = (head, rows) => {
  const line = (row) => `| ${row.join(" | ")} |\n`;
  return `${line(head)}|${"---|".repeat(head.length)}\n${rows.map(line).join("")}`;
};

function report({ syncs, first, cells }) {
  const speed = ({ requests_per_second, p50_ms }) => `${rate(requests_per_second)} (${ms(p50_ms)})`;
  const lines = [table(
    ["objects", "connections", "Holdfast, requests/s (p50 ms)", "workerd", "ratio of throughput", "ratio of p50"],
    cells.map((c) => [rate(c.objects), c.connections, speed(c.holdfast), speed(c.workerd),
      c.ratio.throughput.toFixed(1), c.ratio.p50.toFixed(2)]))];
  lines.push(table(["objects", "first increment of each, Holdfast (resident MiB)", "workerd"],
    first.map(({ objects, servers }) => [rate(objects),
      ...names.map((name) => `${rate(servers[name].requests_per_second)}/s (${servers[name].resident_mib})`)])));
  if (names.some((name) => !syncs[name])) lines.push("Syncs were not counted: there is no strace here that may trace.\n");
  else lines.push(table(["connections", "increments of one fsync or fdatasync, Holdfast", "workerd"],
    syncs.holdfast.map(({ connections }, i) =>
      [connections, ...names.map((name) => syncs[name][i].increments_per_sync.toFixed(2))])));
  return lines.join("\n");
}

// The rule: ten times workerd at 10 000 objects and 64 connections, slower in no cell, and no answer that was not true.
function verdict(cells) {
  const at = cells.find(({ objects, connections }) => objects === 10_000 && connections === 64);
  const slower = cells.filter(({ ratio }) => ratio.throughput < 1 || ratio.p50 > 1);
  const rules = [
    ["no request failed, no increment was lost or made up, also after kill -9", errors === 0, `${errors} errors`],
    ["10 times workerd at 10 000 objects and 64 connections", at && at.ratio.throughput >= 10,
      at ? `${at.ratio.throughput.toFixed(1)} times` : "not measured"],
    ["slower in no cell", slower.length === 0, `${slower.length} of ${cells.length} slower`],
  ];
  for (const [rule, holds, how] of rules) console.log(`${holds ? "holds" : "FAILS"}: ${rule} (${how})`);
  return rules.every(([, holds]) => holds);
}

const traceable = spawnSync("strace", ["-D", "-f", "--seccomp-bpf", "-o", "/dev/null", "true"]).status === 0;
const version = (program, ...args) => execFileSync(program, args, { encoding: "utf8" }).trim();
const result = {
  date: new Date().toISOString(),
  machine: { cores: cpus().length, model: cpus()[0].model, open_files_max: Number(version("sh", "-c", "ulimit -n")) },
  versions: {
    holdfast: version("git", "describe", "--always", "--dirty"),
    workerd: version("benchmarks/peers/node_modules/@cloudflare/workerd-linux-64/bin/workerd", "--version"),
  },
  options,
  syncs: await each(syncs_of),
  first: [],
  cells: [],
};
for (const objects of list(options.objects)) await measure(objects, result.cells, result.first);
if (process.stderr.isTTY) progress("");
result.errors = errors;

const write = (name, text) => writeFileSync(join(options.out, name), text);
mkdirSync(options.out, { recursive: true });
write("objects.json", `${JSON.stringify(result, null, 1)}\n`);
const subtitle = "POST increment of a durable counter, fsync on, median of the rounds; load and server share the machine";
write("throughput.svg", chart(result.cells, { title: "Increments a second", subtitle, field: "requests_per_second", label: rate }));
write("latency.svg", chart(result.cells, { title: "Latency of an increment, p50 in ms", subtitle, field: "p50_ms", label: ms }));
console.log(report(result));
process.exitCode = verdict(result.cells) ? 0 : 1;
