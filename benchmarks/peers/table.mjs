// Tables, plots and verdict of what run.mjs measured. As a program it draws the plots of a peers.json once more, and
// writes its tables into benchmarks/README.md, between the two comments that name it:
//     node benchmarks/peers/table.mjs [DIR]       [benchmarks/results/peers]
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chart, panelsOf } from "./chart.mjs";
import { sessions as kinds } from "./kinds.mjs";
import { median, ms, rate, speed, table } from "./measure.mjs";

const kSessions = 10_000;  // of the verdict
const kStored = 10_000_000;
const kRounds = 3;          // less is no measurement
const kAlone = 1.1;        // requests of one sync with one connection: more, and an answer did not wait for the disk

const measured = ({ versions }) => Object.keys(kinds).filter((name) => versions[name]);
const shown = (result) => {  // Holdfast first
  const names = measured(result);
  return [...names.filter((name) => name === "holdfast"), ...names.filter((name) => name !== "holdfast")];
};
const cellAt = ({ cells }, sessions, connections) => cells.find((cell) => cell.sessions === sessions && cell.connections === connections);
// The median of the pairs' ratios.
const ratio = (cell, one, other, field) => median(cell.rounds.map((turn) => turn[one][field] / turn[other][field]));

// Whether an answer waits for the disk, as the kernel saw it; undefined: nobody looked.
function durable({ syncs, delayed }, name) {
  const one = syncs[name]?.find(({ connections }) => connections === 1);
  return one && delayed[name] && one.requests_per_sync !== null && one.requests_per_sync <= kAlone && (one.requests_per_flush ?? 1) <= kAlone && delayed[name].p50_ms >= delayed[name].delay_ms;
}
const title = (result, name) => `${kinds[name].title}${durable(result, name) === false ? ", **not durable**" : ""}`;

const bytes = (n) => n < 10_000 ? `${rate(n)} B` : n < 10_000_000 ? `${rate(n / 1024)} KiB` : `${rate(n / 2 ** 20)} MiB`;
const seconds = (n) => n.toFixed(n < 1 ? 3 : 1);

// ---- tables ----------------------------------------------------------------------------------------------------

function speeds(result) {
  const connections = [...new Set(result.cells.map((cell) => cell.connections))];
  return [...new Set(result.cells.map((cell) => cell.sessions))].reverse().map((sessions) => {
    const row = connections.map((c) => cellAt(result, sessions, c));
    const last = row[connections.indexOf(64)] ?? row[0];
    const beside = measured(result).includes("holdfast");
    return `**${rate(sessions)} session${sessions === 1 ? "" : "s"}**, requests/s (p50 ms):\n\n` + table(
      ["", ...connections.map((c) => `${c} connection${c === 1 ? "" : "s"}`), ...beside ? [`Holdfast does, at ${last.connections}`] : []],
      shown(result).map((name) => [title(result, name), ...row.map((cell) => !cell[name] ? "failed" : cell[name].requests_per_second > 0 ? speed(cell[name]) : "no answer in the time"),
        ...beside ? [name === "holdfast" || !last[name]?.requests_per_second ? "" : `${ratio(last, "holdfast", name, "requests_per_second").toFixed(2)} times`] : []]));
  });
}

function syncs(result) {
  const counted = shown(result).filter((name) => result.syncs[name]);
  if (counted.length === 0) return "Syncs were not counted: there is no strace here that may trace.\n";
  const share = ({ requests_per_sync }) => requests_per_sync === null ? "no sync" : requests_per_sync.toFixed(2);
  const flushed = ([{ requests_per_flush }]) => requests_per_flush?.toFixed(2) ?? "not counted";
  return table(["", ...result.syncs[counted[0]].map(({ connections }) => `requests of one sync, ${connections} connection${connections === 1 ? "" : "s"}`), "requests of one flush of the disk, 1 connection", `p50 with ${result.delayed[counted[0]]?.delay_ms} ms more for each sync`, "it syncs", "version"],
    counted.map((name) => [title(result, name), ...result.syncs[name].map(share), flushed(result.syncs[name]), `${ms(result.delayed[name]?.p50_ms ?? NaN)} ms`, kinds[name].how, result.versions[name]]));
}

// A store that scale_bench made and a server opened: no session is in memory.
const made = (row) => row.memory_bytes_each === null;

function costs(result) {
  const rows = [...result.stored].sort((a, b) => a.sessions - b.sessions);
  return table(["sessions stored, a message of 256 bytes in each", "", "disk", "disk for each", "memory", "memory for each", "ready after `kill -9`, s", "first answer, s"],
    rows.map((row) => [rate(row.sessions), `${kinds[row.server].title}${made(row) ? ", made in process" : ""}`, bytes(row.disk_bytes), bytes(row.disk_bytes_each),
      bytes(row.memory_bytes), made(row) ? "none is live" : bytes(row.memory_bytes_each), seconds(row.ready_s), seconds(row.first_answer_s)]));
}

// The median of the rounds' ratios, the least and the largest.
function ratios({ rounds }, field) {
  const all = rounds.map((round) => round[field] / round.beside);
  return `${median(all).toFixed(2)} (${Math.min(...all).toFixed(2)} to ${Math.max(...all).toFixed(2)})`;
}

function storedSpeeds({ stored_throughput: rows }) {
  if (rows.length === 0) return "";
  return table(["sessions stored in Holdfast", "10 000 of them in use, requests/s", "of what it does with 10 000 stored", "all of them in use, requests/s", "of what it does with 10 000 stored", "memory then"],
    rows.map((row) => [rate(row.stored), rate(row.requests_per_second_active), ratios(row, "active"), rate(row.requests_per_second), ratios(row, "all"),
      bytes(row.memory_bytes)]));
}

export function tables(result) {
  const { machine, options, skipped } = result;
  const head = `Measured on ${result.date.slice(0, 10)}: ${machine.cores} cores (${machine.model}), ${machine.memory_gib} GiB, rounds ${options.rounds}, ` +
    `${options.seconds} s a cell, ${result.errors} failed requests, ${rate(result.seconds)} s in all.` +
    Object.entries(skipped).map(([name, why]) => ` Skipped: ${name} (${why}).`).join("");
  return [head + "\n", ...speeds(result), syncs(result), costs(result), storedSpeeds(result)].filter(Boolean).join("\n");
}

// ---- verdict ---------------------------------------------------------------------------------------------------

// [rule, whether it holds, the figure]. A rule of what was not measured does not hold.
function rules(result) {
  const all = [["no request failed", result.errors === 0, `${result.errors} failed`]];
  const known = (name, ...cells) => ["holdfast", name].every((one) => cells.every((cell) => cell?.[one]));
  const equal = (name) => durable(result, "holdfast") && durable(result, name);
  const rule = (what, cell, name, field, holds) => {
    if (!known(name, cell)) return all.push([what, false, "not measured"]);
    const figure = ratio(cell, "holdfast", name, field);
    if (!Number.isFinite(figure)) return all.push([what, false, "no answer in the time of a cell: give it more --seconds"]);
    all.push([what, holds(figure) && equal(name), `${figure.toFixed(2)}${equal(name) ? "" : "; not known to be equally durable"}`]);
  };
  const where = `at ${rate(kSessions)} sessions and`;
  for (const [times, name, who] of [[50, "workerd", "workerd"], [10, "restate", "Restate's one-way send"], [1.3, "webdis", "Redis behind an HTTP front"]])
    rule(`${times} times ${who}, ${where} 64 connections`, cellAt(result, kSessions, 64), name, "requests_per_second", (x) => x >= times);
  for (const connections of [64, 256])
    rule(`at least 0.75 of the floor, ${where} ${connections} connections`, cellAt(result, kSessions, connections), "floor", "requests_per_second", (x) => x >= 0.75);
  rule(`p50 at most 1.3 of the floor's, ${where} 1 connection`, cellAt(result, kSessions, 1), "floor", "p50_ms", (x) => x <= 1.3);
  const speedAt = result.stored_throughput.find(({ stored }) => stored === kStored);
  all.push([`with ${rate(kStored)} sessions stored and ${rate(kSessions)} of them in use, at least 0.9 of the throughput with ${rate(kSessions)} stored`,
    speedAt?.ratio_active >= 0.9, speedAt ? `${speedAt.ratio_active.toFixed(2)}; ${speedAt.ratio.toFixed(2)} with all of them in use` : "not measured"]);
  const start = result.stored.find(({ server, sessions }) => server === "holdfast" && sessions === kStored);
  all.push([`with ${rate(kStored)} sessions stored, ready in less than 2 s`, start && Math.max(start.ready_s, start.first_ready_s) < 2,
    start ? `${seconds(start.first_ready_s)} s with its log to replay, ${seconds(start.ready_s)} s after kill -9` : "not measured"]);
  return all.map(([what, holds, figure]) => [what, Boolean(holds), figure]);
}

export function verdict(result) {
  const all = rules(result);
  for (const [what, holds, figure] of all) console.log(`${holds ? "holds" : "FAILS"}: ${what} (${figure})`);
  return all;
}

// ---- plots -----------------------------------------------------------------------------------------------------

export function draw(result, directory) {
  const series = shown(result).map((name) => [name, kinds[name].title]);
  const subtitle = "one durable append of 256 bytes to a session and its counter, median of the rounds; load and server share the machine";
  const write = (name, svg) => writeFileSync(join(directory, name), svg);
  const plot = (panel, x, field) => panelsOf(result.cells, { panel, x, series, value: (cell) => cell[field] });
  const over = (panel, x, what, field, label) => chart({ title: what, subtitle, series, label, panels: plot(panel, x, field) });
  write("throughput.svg", over("sessions", "connections", "Appends a second", "requests_per_second", rate));
  write("latency.svg", over("sessions", "connections", "Latency of an append, p50 in ms", "p50_ms", ms));
  write("sessions.svg", over("connections", "sessions", "Appends a second, by the number of sessions", "requests_per_second", rate));
  write("sessions_latency.svg", over("connections", "sessions", "Latency of an append by the number of sessions, p50 in ms", "p50_ms", ms));
  if (result.stored.length > 0) write("stored.svg", storedPlot(result, series));
}

function storedPlot(result, series) {
  const sizes = [...new Set(result.stored.map(({ sessions }) => sessions))].sort((a, b) => a - b);
  const points = sizes.map((n) => n >= 1e6 ? `${n / 1e6}M` : n >= 1e3 ? `${n / 1e3}k` : String(n));
  const at = (server, sessions) => result.stored.filter((row) => row.server === server && row.sessions === sessions && made(row) === (server === "holdfast"))[0];
  const lines = (value) => Object.fromEntries(series.map(([name]) => [name, sizes.map((n) => at(name, n) && value(at(name, n)))]));
  const speedOf = (n) => result.stored_throughput.find(({ stored }) => stored === n);
  const panels = [
    { title: "disk for each, bytes", lines: lines((row) => row.disk_bytes_each), label: rate },
    { title: "memory, MiB", lines: lines((row) => row.memory_bytes / 2 ** 20), label: rate },
    { title: "first answer after kill -9, s", lines: lines((row) => row.first_answer_s), label: (n) => n.toFixed(2) },
  ];
  const drawn = series.map(([name, title]) => [name, name === "holdfast" ? `${title}, made in process` : title]);
  if (result.stored_throughput.length > 0) {
    drawn.push(["all", "Holdfast, all sessions in use"]);
    panels.push({ title: "appends a second", label: (n) => `${(n / 1000).toFixed(1)}k`,
      lines: { holdfast: sizes.map((n) => speedOf(n)?.requests_per_second_active), all: sizes.map((n) => speedOf(n)?.requests_per_second) } });
  }
  return chart({ title: "What stored sessions cost", subtitle: "a message of 256 bytes in each; throughput with 64 connections, 10 000 of the sessions in use or all",
    series: drawn, axes: "own", panels: panels.map((panel) => ({ ...panel, axis: "sessions stored", points })) });
}

// ---- as a program ----------------------------------------------------------------------------------------------

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const directory = process.argv[2] ?? "benchmarks/results/peers";
  const result = JSON.parse(readFileSync(join(directory, "peers.json"), "utf8"));
  draw(result, directory);
  const readme = "benchmarks/README.md";
  const [begin, end] = ["<!-- peers/table.mjs -->\n", "<!-- /peers/table.mjs -->"];
  const page = readFileSync(readme, "utf8");
  if (!page.includes(begin) || !page.includes(end)) throw new Error(`${readme} has no place for the tables: ${begin.trim()}`);
  const said = rules(result).map(([what, holds, figure]) => `${holds ? "holds" : "FAILS"}: ${what} (${figure})`).join("\n");
  const provisional = result.quick || Number(result.options.rounds) < kRounds;
  const warning = provisional ? "**Provisional: a short run on a busy machine. It shows that the command works, and measures nothing.**\n\n" : "";
  writeFileSync(readme, page.slice(0, page.indexOf(begin) + begin.length) + "\n" + warning + tables(result) +
    `\n\`\`\`\n${said}\n\`\`\`\n\n` + page.slice(page.indexOf(end)));
}
