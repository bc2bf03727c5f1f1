// The counter object on Holdfast and on workerd, side by side: see objects.sh, which prepares everything, and
// benchmarks/README.md, which says what the figures mean.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { chart, panelsOf } from "./chart.mjs";
import { counters } from "./kinds.mjs";
import { count, faults, list, machine, median, ms, progress, progressEnds, rate, speed, syncsOf, table, temporary, workDirectory } from "./measure.mjs";
import { Server } from "./servers.mjs";

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
const names = Object.keys(counters);
const rounds = Number(options.rounds);
const kChecked = 256;      // objects read after each cell
const kCheckedAtEnd = 1000;  // ... and after the crash at the end
const work = workDirectory("build/objects.");  // on the project's disk; /tmp may be memory

const each = async (what) => {
  const results = {};
  for (const name of names) results[name] = await what(name);
  return results;
};

// All cells of one number of objects, on one fresh store of each server in which every object has been incremented once.
// Of the two servers the one that is not measured stands still.
async function measure(objects, cells, first) {
  const directory = temporary(join(work, "cells."));
  const servers = await each((name) => Server.start(name, counters[name], directory));
  first.push({ objects, servers: await each(async (name) => {
    progress(`${objects} objects: first increments on ${name}`);
    const { requests_per_second } = await count(servers[name], { objects, connections: 64, each: true });
    const resident_mib = Math.round(servers[name].memoryBytes() / 2 ** 20);
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
        const result = await count(server, { objects, connections, seconds: options.seconds, warmup: options.warmup,
          seed: Number(options.seed) + round });
        await count(server, { objects, connections: 16, check: kChecked });
        server.pause();
        return result;
      }));
    }
    cells.push(summary_of(cell));
  }
  progress(`${objects} objects: kill -9, and all values again`);
  await each(async (name) => {
    const again = await servers[name].crash();
    await count(again, { objects, connections: 16, check: kCheckedAtEnd });
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

function report({ syncs, first, cells }) {
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
      [connections, ...names.map((name) => syncs[name][i].requests_per_sync.toFixed(2))])));
  return lines.join("\n");
}

// The rule: ten times workerd at 10 000 objects and 64 connections, slower in no cell, and no answer that was not true.
function verdict(cells) {
  const at = cells.find(({ objects, connections }) => objects === 10_000 && connections === 64);
  const slower = cells.filter(({ ratio }) => ratio.throughput < 1 || ratio.p50 > 1);
  const rules = [
    ["no request failed, no increment was lost or made up, also after kill -9", faults.count === 0, `${faults.count} errors`],
    ["10 times workerd at 10 000 objects and 64 connections", at && at.ratio.throughput >= 10,
      at ? `${at.ratio.throughput.toFixed(1)} times` : "not measured"],
    ["slower in no cell", slower.length === 0, `${slower.length} of ${cells.length} slower`],
  ];
  for (const [rule, holds, how] of rules) console.log(`${holds ? "holds" : "FAILS"}: ${rule} (${how})`);
  return rules.every(([, holds]) => holds);
}

const syncs_of = (name) => syncsOf(name, counters[name], work, {
  first: (server) => count(server, { objects: 100, connections: 1, each: true }), apply: count, cells: [[1, 200], [64, 2000]] });
const result = {
  date: new Date().toISOString(),
  machine: machine(),
  versions: Object.fromEntries(names.map((name) => [name, counters[name].version()])),
  options,
  syncs: await each(syncs_of),
  first: [],
  cells: [],
};
for (const objects of list(options.objects)) await measure(objects, result.cells, result.first);
progressEnds();
result.errors = faults.count;

const write = (name, text) => writeFileSync(join(options.out, name), text);
mkdirSync(options.out, { recursive: true });
write("objects.json", `${JSON.stringify(result, null, 1)}\n`);
const subtitle = "POST increment of a durable counter, fsync on, median of the rounds; load and server share the machine";
const series = names.map((name) => [name, counters[name].title]);
const draw = (title, field, label) => chart({ title, subtitle, series, label,
  panels: panelsOf(result.cells, { panel: "objects", x: "connections", series, value: (cell) => cell[field] }) });
write("throughput.svg", draw("Increments a second", "requests_per_second", rate));
write("latency.svg", draw("Latency of an increment, p50 in ms", "p50_ms", ms));
console.log(report(result));
process.exitCode = verdict(result.cells) ? 0 : 1;
