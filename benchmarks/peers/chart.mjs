// A chart as SVG text: panels side by side, each with its points to the right, a logarithmic axis upwards, and a line for
// each server. It brings its own background, and follows the reader's light or dark scheme.
const kWidth = 960;
const kPlot = 250;  // height of a panel
const kBottom = 56;
const kLeft = 64;
const kLegendLine = 22;

// Every colour in one place: [light, dark] of the page, its panels, edges, text and soft text, and of the servers.
const kPaper = { page: ["#ffffff", "#0d1117"], panel: ["#f6f8fa", "#161b22"], edge: ["#d8dee4", "#30363d"], ink: ["#1f2328", "#e6edf3"], soft: ["#59636e", "#9198a1"] };
const kServers = {
  holdfast: ["#0b7285", "#3bc9db"], workerd: ["#bc4c00", "#ffa94d"], floor: ["#6e7781", "#8b949e"], restate: ["#8250df", "#b692f6"],
  webdis: ["#a40e26", "#ff8b8b"], redis: ["#d6336c", "#f783ac"], postgres: ["#1f6feb", "#79b8ff"], nats: ["#2f8f3a", "#69db7c"], all: ["#5c940d", "#c0eb75"],
};
const colours = (scheme) => {
  const [page, panel, edge, ink, soft] = Object.values(kPaper).map((pair) => pair[scheme]);
  return `
  .page { fill: ${page}; } .panel { fill: ${panel}; } .value { stroke: ${panel}; } .page, .grid { stroke: ${edge}; } text { fill: ${ink}; } .soft { fill: ${soft}; }
  ${Object.entries(kServers).map(([name, pair]) => `.${name} .line { stroke: ${pair[scheme]}; } .${name} .dot, .${name} .value { fill: ${pair[scheme]}; }`).join("\n  ")}`;
};
const kStyle = `
  text { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
  .title { font-size: 19px; font-weight: 650; } .small { font-size: 11.5px; } .value { font-size: 11.5px; font-weight: 600; paint-order: stroke; stroke-width: 3px; }
  .middle { text-anchor: middle; } .end { text-anchor: end; } .line { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
  .holdfast .line { stroke-width: 3; } .floor .line { stroke-dasharray: 5 4; }
  ${colours(0)}
  @media (prefers-color-scheme: dark) {${colours(1)}
  }`;

const round = (n) => Math.round(n * 10) / 10;
const text = (x, y, css, content) => `<text x="${round(x)}" y="${round(y)}" class="${css}">${content}</text>`;
const count = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, " ");
const mark = (value) => (value < 1 ? String(Number(value.toPrecision(1))) : count(value));
const isNumber = (value) => typeof value === "number" && value > 0;

// A panel for each value of cell[panel], a point for each of cell[x]. `value(of)` takes a number out of cell[server].
export function panelsOf(cells, { panel, x, series, value }) {
  return [...new Set(cells.map((cell) => cell[panel]))].map((which) => {
    const row = cells.filter((cell) => cell[panel] === which).sort((a, b) => a[x] - b[x]);
    return {
      title: `${count(which)} ${which === 1 ? panel.replace(/s$/, "") : panel}`,
      axis: x,
      points: row.map((cell) => count(cell[x])),
      lines: Object.fromEntries(series.map(([name]) => [name, row.map((cell) => cell[name] && value(cell[name]))])),
    };
  });
}

// From a bit below the least value to a bit above the greatest: room for the labels.
function scaleOf(panels) {
  const values = panels.flatMap(({ lines }) => Object.values(lines).flat()).filter(isNumber);
  const low = Math.log10(Math.min(...values) / 2.5);
  const high = Math.log10(Math.max(...values) * 2.5);
  const within = (steps) => Array.from({ length: Math.ceil(high) - Math.floor(low) + 1 }, (_, i) => Math.floor(low) + i)
    .flatMap((power) => steps.map((step) => step * 10 ** power)).filter((value) => Math.log10(value) > low && Math.log10(value) < high);
  const powers = within([1]);
  return { y: (value, top) => top + (high - Math.log10(value)) / (high - low) * kPlot, marks: powers.length > 1 ? powers : within([1, 2, 5]) };
}

function legend(series) {
  const out = [];
  let x = 24;
  let y = 78;
  for (const [server, name] of series) {
    const width = 44 + name.length * 7.1;
    if (x + width > kWidth - 16) [x, y] = [24, y + kLegendLine];
    out.push(`<g class="${server}"><path d="M${round(x)} ${y - 4}h22" class="line"/><circle cx="${round(x + 11)}" cy="${y - 4}" r="3.5" class="dot"/></g>`,
      text(x + 29, y, "", name));
    x += width;
  }
  return { out, bottom: y };
}

function lineOf(server, values, other, x, y, label) {
  const points = values.map((value, j) => isNumber(value) ? [round(x(j)), round(y(value))] : null);
  const out = points.filter(Boolean);
  const above = (j) => !other || !isNumber(other[j]) || values[j] >= other[j];
  return [`<g class="${server}"><path d="M${out.map((point) => point.join(" ")).join("L")}" class="line"/>`,
    ...out.map(([px, py]) => `<circle cx="${px}" cy="${py}" r="3.5" class="dot"/>`),
    ...points.flatMap((point, j) => point && label ? text(point[0], point[1] + (above(j) ? -10 : 19), "middle value", label(values[j])) : []),
    "</g>"];
}

// `panels`: [{title, axis, points: [name], lines: {server: [number or nothing]}, label}]; `series`: [[server, name]], the
// first one drawn on top. `label` writes a value; with two servers both have their values written, with more the one that
// is called holdfast. `axes`: "shared", or "own" where each panel has another unit.
export function chart({ title, subtitle, series, panels, label, axes = "shared" }) {
  const { out: names, bottom } = legend(series);
  const top = bottom + 40;
  const gap = axes === "own" ? 66 : 28;
  const height = top + kPlot + kBottom;
  const width = (kWidth - kLeft - 24 - (panels.length - 1) * gap) / panels.length;
  const shared = scaleOf(panels);
  const out = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${kWidth} ${height}" role="img" aria-label="${title}">`,
    `<style>${kStyle}\n</style>`,
    `<rect x="0.5" y="0.5" width="${kWidth - 1}" height="${height - 1}" rx="8" class="page"/>`,
    text(24, 34, "title", title),
    text(24, 55, "soft small", subtitle),
    ...names,
  ];
  panels.forEach((panel, i) => {
    const left = kLeft + i * (width + gap);
    const scale = axes === "own" ? scaleOf([panel]) : shared;
    const y = (value) => scale.y(value, top);
    const x = (j) => left + (j + 0.5) * width / panel.points.length;
    out.push(
      `<rect x="${round(left)}" y="${top}" width="${round(width)}" height="${kPlot}" class="panel"/>`,
      ...scale.marks.map((value) => `<path d="M${round(left)} ${round(y(value))}h${round(width)}" class="grid"/>`),
      ...i === 0 || axes === "own" ? scale.marks.map((value) => text(left - 8, y(value) + 4, "end soft small", mark(value))) : [],
      text(left + width / 2, top - 10, "middle", panel.title),
      ...panel.points.map((point, j) => text(x(j), top + kPlot + 18, "middle soft small", point)),
      text(left + width / 2, height - 14, "middle soft small", panel.axis));
    for (const [server] of [...series].reverse()) {
      const values = panel.lines[server] ?? [];
      if (!values.some(isNumber)) continue;
      const two = series.length === 2;
      const other = two ? panel.lines[series.find(([name]) => name !== server)[0]] : null;
      out.push(...lineOf(server, values, other, x, y, two || server === "holdfast" ? panel.label ?? label : null));
    }
  });
  return `${out.join("\n")}\n</svg>\n`;
}
