// A chart as SVG text: one panel for each number of objects, connections to the right, a logarithmic axis upwards, and a
// line for each server. It brings its own background, and follows the reader's light or dark scheme.
const kWidth = 960;
const kHeight = 400;
const kTop = 96;
const kBottom = 56;
const kLeft = 64;
const kGap = 28;
const kServers = [["holdfast", "Holdfast"], ["workerd", "workerd (Durable Objects)"]];

// Every colour in one place: the page, its panels, edges, text and soft text, and the two servers.
const colours = (page, panel, edge, ink, soft, holdfast, workerd) => `
  .page { fill: ${page}; } .panel { fill: ${panel}; } .value { stroke: ${panel}; } .page, .grid { stroke: ${edge}; } text { fill: ${ink}; } .soft { fill: ${soft}; }
  .holdfast .line { stroke: ${holdfast}; } .holdfast .dot, .holdfast .value { fill: ${holdfast}; }
  .workerd .line { stroke: ${workerd}; } .workerd .dot, .workerd .value { fill: ${workerd}; }`;
const kStyle = `
  text { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
  .title { font-size: 19px; font-weight: 650; } .small { font-size: 11.5px; } .value { font-size: 11.5px; font-weight: 600; paint-order: stroke; stroke-width: 3px; }
  .middle { text-anchor: middle; } .end { text-anchor: end; } .line { fill: none; stroke-width: 2.5; stroke-linejoin: round; }
  ${colours("#ffffff", "#f6f8fa", "#d8dee4", "#1f2328", "#59636e", "#0b7285", "#bc4c00")}
  @media (prefers-color-scheme: dark) {${colours("#0d1117", "#161b22", "#30363d", "#e6edf3", "#9198a1", "#3bc9db", "#ffa94d")}
  }`;

const round = (n) => Math.round(n * 10) / 10;
const text = (x, y, css, content) => `<text x="${round(x)}" y="${round(y)}" class="${css}">${content}</text>`;
const count = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, " ");
const decade = (power) => (power < 0 ? (10 ** power).toFixed(-power) : count(10 ** power));

// `cells`: [{objects, connections, holdfast: {[field]: number}, workerd: {...}}]. `label` writes a value.
export function chart(cells, { title, subtitle, field, label }) {
  const values = cells.flatMap((cell) => kServers.map(([server]) => cell[server][field]));
  const low = Math.log10(Math.min(...values) / 2);  // room for the labels below and above
  const high = Math.log10(Math.max(...values) * 2);
  const y = (value) => kTop + (high - Math.log10(value)) / (high - low) * (kHeight - kTop - kBottom);
  const powers = Array.from({ length: Math.floor(high) - Math.ceil(low) + 1 }, (_, i) => Math.ceil(low) + i);
  const panels = [...new Set(cells.map((cell) => cell.objects))];
  const width = (kWidth - kLeft - kGap - (panels.length - 1) * kGap) / panels.length;
  const out = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${kWidth} ${kHeight}" role="img" aria-label="${title}">`,
    `<style>${kStyle}\n</style>`,
    `<rect x="0.5" y="0.5" width="${kWidth - 1}" height="${kHeight - 1}" rx="8" class="page"/>`,
    text(24, 34, "title", title),
    text(24, 55, "soft small", subtitle),
    ...powers.map((power) => text(kLeft - 8, y(10 ** power) + 4, "end soft small", decade(power))),
  ];
  kServers.forEach(([server, name], i) => {
    const x = kWidth - 320 + i * 104;
    out.push(`<g class="${server}"><path d="M${x} 30h22" class="line"/><circle cx="${x + 11}" cy="30" r="4" class="dot"/></g>`,
      text(x + 30, 34, "", name));
  });
  panels.forEach((objects, i) => {
    const left = kLeft + i * (width + kGap);
    const row = cells.filter((cell) => cell.objects === objects).sort((a, b) => a.connections - b.connections);
    const x = (j) => left + (j + 0.5) * width / row.length;
    out.push(
      `<rect x="${round(left)}" y="${kTop}" width="${round(width)}" height="${kHeight - kTop - kBottom}" class="panel"/>`,
      ...powers.map((power) => `<path d="M${round(left)} ${round(y(10 ** power))}h${round(width)}" class="grid"/>`),
      text(left + width / 2, kTop - 10, "middle", `${count(objects)} object${objects === 1 ? "" : "s"}`),
      ...row.map(({ connections }, j) => text(x(j), kHeight - kBottom + 18, "middle soft small", connections)),
      text(left + width / 2, kHeight - 14, "middle soft small", "connections"));
    for (const [server] of kServers) {
      const other = kServers.find(([name]) => name !== server)[0];
      const points = row.map((cell, j) => [x(j), y(cell[server][field])].map(round));
      out.push(`<g class="${server}"><path d="M${points.map((point) => point.join(" ")).join("L")}" class="line"/>`,
        ...points.map(([px, py]) => `<circle cx="${px}" cy="${py}" r="4" class="dot"/>`),
        ...row.map((cell, j) => {  // the greater of the two has its value above, the other below
          const above = cell[server][field] >= cell[other][field];
          return text(points[j][0], points[j][1] + (above ? -10 : 19), "middle value", label(cell[server][field]));
        }), "</g>");
    }
  });
  return `${out.join("\n")}\n</svg>\n`;
}
