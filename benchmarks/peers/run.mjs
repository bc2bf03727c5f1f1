// One durable append to a session, side by side: see run.sh, which prepares everything, and benchmarks/README.md, which
// says what the figures mean. This file measures and writes peers.json; table.mjs makes tables, plots and verdict of it.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { sessions as kinds } from "./kinds.mjs";
import { append, delayedBySyncs, faults, fill, firstAnswer, list, machine, median, progress, progressEnds, run, syncsOf, temporary, workDirectory } from "./measure.mjs";
import { Server } from "./servers.mjs";
import { draw, tables, verdict } from "./table.mjs";

const usage = `usage: benchmarks/peers/run.sh [OPTION]...
  --only LIST           of ${Object.keys(kinds).join(",")} [all]
  --quick               one short round of everything, results to build/peers.quick: shows that it works, measures nothing
  --rounds N            in each of which every server has its turn; the figures are medians [3]
  --seconds S           that count in a cell [1.5]
  --warmup S            before them [0.5]
  --connections LIST    [1,64,256]
  --sessions LIST       chosen from uniformly [1,100,10000]
  --stored LIST         sessions in the store of Holdfast, for what they cost; 0: none [1000,10000,100000,1000000,10000000]
  --stored-rounds N     for the throughput with so many [7]
  --stored-peers LIST   sessions in the stores of those that can be filled fast; 0: none [100000,1000000]
  --seed N              of the choice of sessions [1]
  --data DIR            for the stores, on the disk to be measured; up to 10 GB, removed at the end [build/peers.data]
  --out DIR             for peers.json and the plots [benchmarks/results/peers]

Examples:
  benchmarks/peers/run.sh
  benchmarks/peers/run.sh --quick
  benchmarks/peers/run.sh --only floor,holdfast --stored 0 --rounds 7 --out build/peers
  node benchmarks/peers/table.mjs       the plots and the tables of benchmarks/README.md, once more from peers.json
`;
const text = { type: "string" };
const { values: given } = parseArgs({ options: { only: text, rounds: text, seconds: text, warmup: text, connections: text, sessions: text,
  stored: text, "stored-rounds": text, "stored-peers": text, seed: text, data: text, out: text, quick: { type: "boolean" }, help: { type: "boolean" } } });
if (given.help) {
  process.stdout.write(usage);
  process.exit(0);
}
const usual = { only: Object.keys(kinds).join(","), rounds: "3", seconds: "1.5", warmup: "0.5", connections: "1,64,256", sessions: "1,100,10000",
  stored: "1000,10000,100000,1000000,10000000", "stored-rounds": "7", "stored-peers": "100000,1000000", seed: "1", data: "build/peers.data", out: "benchmarks/results/peers" };
const quick = { rounds: "1", seconds: "0.8", warmup: "0.2", sessions: "1,100,1000", stored: "1000,10000,100000", "stored-rounds": "1", "stored-peers": "10000", out: "build/peers.quick" };
const options = { ...usual, ...given.quick ? quick : {}, ...given };
const rounds = Number(options.rounds);
const kFillSeconds = 150;  // for the slowest of those that are filled at the same time
const kStoredAt = 64;      // connections
const kStoredBeside = 10_000;  // sessions, to which the throughput of the other stores is compared
const kSettleMs = 300;     // after a server was stopped: its timers run late then

const sleep = (time) => new Promise((done) => setTimeout(done, time));
const timesOf = (round) => ({ seconds: options.seconds, warmup: options.warmup, seed: Number(options.seed) + round });

// Why it cannot be measured here; nothing: it can.
function missing(kind) {
  for (const [program, who] of Object.entries(kind.needs ?? {}))
    if (!existsSync(program) && spawnSync("sh", ["-c", `command -v ${program}`]).status !== 0) return `${who} is not installed`;
  try {
    kind.release = kind.version();
  } catch (error) {
    return error.code === "ENOENT" ? `${error.path} is not there` : error.message.split("\n")[0];
  }
}

const skipped = {};
const skip = (name, why) => {
  skipped[name] = why;
  names = names.filter((other) => other !== name);
  process.stderr.write(`\nskipped: ${name}: ${why}\n`);
};
let names = options.only.split(",");
for (const name of names) {
  if (!kinds[name]) {
    process.stderr.write(`run.sh: nothing is called ${name}; there is ${Object.keys(kinds).join(", ")}\n`);
    process.exit(2);
  }
}
for (const name of [...names]) {
  const why = missing(kinds[name]);
  if (why) skip(name, why);
}
const work = workDirectory(join(options.data, "run."));
process.on("exit", () => { spawnSync("rmdir", [options.data]); });

// ---- phases ----------------------------------------------------------------------------------------------------

async function countSyncs() {
  const syncs = {};
  const delayed = {};
  const how = { first: (server) => fill(server, 100), apply: append, cells: [[1, 200], [64, given.quick ? 500 : 1500]] };
  for (const name of [...names]) {
    await orSkip(name, async () => {
      syncs[name] = await syncsOf(name, kinds[name], work, how);
      delayed[name] = await delayedBySyncs(name, kinds[name], work);
    });
  }
  return { syncs, delayed };
}

// What a store costs that is full of `sessions` with a message each, and how soon it answers after the worst end. `empty`:
// the memory of the server before it was filled, or null if it did not fill the store itself.
async function costOf(server, empty, sessions) {
  const full = { disk: server.diskBytes(), memory: server.memoryBytes() };
  const again = await server.crash();
  const begin = performance.now();
  await firstAnswer(again, sessions);
  return [again, {
    sessions,
    disk_bytes: full.disk, memory_bytes: full.memory,
    disk_bytes_each: full.disk / sessions, memory_bytes_each: empty ? Math.max(0, full.memory - empty) / sessions : null,
    ready_s: again.readyS, first_answer_s: again.readyS + (performance.now() - begin) / 1000,
  }];
}

// One that fails is left out from there on, and the others go on.
async function orSkip(name, what) {
  try {
    return await what();
  } catch (error) {
    skip(name, error.message.split("\n")[0]);
    return null;
  }
}

// All cells of one number of sessions, on one fresh store of each server in which every session has a message. Those that
// are not measured stand still. They are filled at the same time: the slowest takes minutes.
async function measure(sessions, result) {
  const directory = temporary(join(work, "cells."));
  const servers = {};
  const empty = {};
  for (const name of [...names]) {
    progress(`${sessions} sessions: starting ${name}`);
    await orSkip(name, async () => { servers[name] = await Server.start(name, kinds[name], directory); });
    empty[name] = servers[name]?.memoryBytes();
  }
  progress(`${sessions} sessions: a message to each, on all at once`);
  await Promise.all([...names].map((name) => orSkip(name, () => fill(servers[name], sessions, kFillSeconds))));
  for (const name of [...names]) {
    if (sessions === Math.max(...list(options.sessions))) {
      progress(`${sessions} sessions: what they cost on ${name}`);
      await orSkip(name, async () => {
        const [again, cost] = await costOf(servers[name], empty[name], sessions);
        servers[name] = again;
        result.stored.push({ server: name, ...cost });
      });
    }
    servers[name].pause();
  }
  for (const connections of list(options.connections)) result.cells.push(await measureCell(servers, sessions, connections));
  for (const server of Object.values(servers)) await server.kill();
  rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
}

async function measureCell(servers, sessions, connections) {
  const cell = { sessions, connections, rounds: [] };
  for (let round = 0; round < rounds; ++round) {
    const turn = {};
    for (const name of [...names]) {
      progress(`${left()}${sessions} sessions, ${connections} connections: round ${round + 1} of ${rounds}, ${name}`);
      servers[name].resume();
      await sleep(kSettleMs);
      await orSkip(name, async () => { turn[name] = await append(servers[name], { objects: sessions, connections, ...timesOf(round) }); });
      servers[name].pause();
      ++done;
    }
    cell.rounds.push(turn);
  }
  for (const name of names)
    cell[name] = Object.fromEntries(["requests_per_second", "p50_ms", "p99_ms"].map((field) =>
      [field, median(cell.rounds.map((turn) => turn[name][field]))]));
  return cell;
}

// Holdfast with `stored` sessions, made in process by scale_bench. The first start after that replays the log.
async function openStored(stored, directory) {
  progress(`making a store of ${stored} sessions`);
  const name = `holdfast.${stored}`;
  const data = join(directory, name);
  const made = await run("build/release/bin/scale_bench", ["build", data, stored]);
  if (!made.includes("sessions made")) throw new Error(`scale_bench made no store of ${stored} sessions`);
  const first = await Server.start(name, kinds.holdfast, directory);
  const [again, cost] = await costOf(first, null, stored);
  again.pause();
  return [again, { server: "holdfast", ...cost, first_ready_s: first.readyS }];
}

// Throughput with many sessions stored, beside that with kStoredBeside, in alternation: chosen from all of them, and
// from as many as the other store has.
async function measureStored(result) {
  const wanted = list(options.stored).filter((n) => n > 0);
  if (!names.includes("holdfast") || wanted.length === 0) return;
  const directory = temporary(join(work, "stored."));
  const stores = new Map();
  for (const stored of new Set([kStoredBeside, ...wanted])) {
    await orSkip(`a store of ${stored} sessions`, async () => {
      const [server, row] = await openStored(stored, directory);
      stores.set(stored, server);
      result.stored.push(row);
    });
  }
  if (!stores.has(kStoredBeside)) return;
  const speedOf = async (stored, objects, round) => {
    const server = stores.get(stored);
    server.resume();
    await sleep(kSettleMs);
    const measured = await append(server, { objects, connections: kStoredAt, ...timesOf(round) });
    server.pause();
    return measured.requests_per_second;
  };
  for (const stored of wanted.filter((n) => stores.has(n))) {
    const row = { stored, connections: kStoredAt, rounds: [] };
    const active = Math.min(stored, kStoredBeside);
    for (const n of [kStoredBeside, stored]) {  // what is in use is in memory
      stores.get(n).resume();
      await fill(stores.get(n), Math.min(n, kStoredBeside));
      stores.get(n).pause();
    }
    const storedRounds = Number(options["stored-rounds"]);
    for (let round = 0; round < storedRounds; ++round) {
      progress(`${stored} sessions stored: round ${round + 1} of ${storedRounds}`);
      row.rounds.push({ beside: await speedOf(kStoredBeside, kStoredBeside, round), active: await speedOf(stored, active, round),
        all: await speedOf(stored, stored, round) });
    }
    row.memory_bytes = stores.get(stored).memoryBytes();
    row.requests_per_second = median(row.rounds.map(({ all }) => all));
    row.requests_per_second_active = median(row.rounds.map(({ active }) => active));
    row.ratio = median(row.rounds.map(({ beside, all }) => all / beside));
    row.ratio_active = median(row.rounds.map(({ beside, active }) => active / beside));
    result.stored_throughput.push(row);
  }
  for (const server of stores.values()) await server.kill();
  rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
}

async function measureStoredPeers(result) {
  const sizes = list(options["stored-peers"]).filter((n) => n > 0);
  for (const [name, stored] of names.filter((one) => kinds[one].fill).flatMap((one) => sizes.map((n) => [one, n]))) {
    progress(`${stored} sessions on ${name}`);
    const directory = temporary(join(work, "stored."));
    const server = await Server.start(name, kinds[name], directory);
    const empty = server.memoryBytes();
    await fill(server, stored);
    const [again, cost] = await costOf(server, empty, stored);
    result.stored.push({ server: name, ...cost });
    await again.kill();
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

// ---- the run ---------------------------------------------------------------------------------------------------

let done = 0;
const began = performance.now();
const planned = () => list(options.sessions).length * list(options.connections).length * rounds * names.length;
const left = () => `${Math.round((performance.now() - began) / 1000)} s, cell ${done + 1} of ${planned()}: `;

const result = { date: new Date().toISOString(), machine: machine(), options, quick: Boolean(given.quick), versions: {}, skipped,
  ...await countSyncs(), cells: [], stored: [], stored_throughput: [] };
for (const name of names) result.versions[name] = kinds[name].release;
mkdirSync(options.out, { recursive: true });
function save() {
  result.errors = faults.count;
  result.seconds = Math.round((performance.now() - began) / 1000);
  writeFileSync(join(options.out, "peers.json"), `${JSON.stringify(result, null, 1)}\n`);
}
for (const sessions of list(options.sessions)) {
  await measure(sessions, result);
  save();
}
await measureStored(result);
save();
await measureStoredPeers(result);
progressEnds();
save();
draw(result, options.out);
console.log(tables(result));
process.exitCode = verdict(result).every(([, holds]) => holds) ? 0 : 1;
