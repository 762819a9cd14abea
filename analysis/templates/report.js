"use strict";
// Sorting, filters and plots of the report. The tables are already in the page; this makes them sortable.

const drawings = JSON.parse(document.getElementById("plot-data").textContent);
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const config = { responsive: true, displaylogo: false, modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]] };

/** The text that the page holds packed (gzip in base64). */
async function unpack(id) {
  const text = atob(document.getElementById(id).textContent);
  const packed = new Uint8Array(text.length);
  // Not Uint8Array.from(text, ...): a call for every character of a megabyte visibly delays the first plot.
  for (let place = 0; place < text.length; place++) packed[place] = text.charCodeAt(place);
  return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
}

/** Plotly is large: it is unpacked after the page has loaded, so that the page opens quickly. */
const plotly = new Promise((ready) => addEventListener("load", () => setTimeout(async () => {
  const script = document.createElement("script");
  script.textContent = await unpack("plotly");
  document.head.append(script);
  ready(window.Plotly);
})));

// Plots ---------------------------------------------------------------------------------------------------------

function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** A drawing in the colours of the page; base is black on a light page, white on a dark one. */
function themed(drawing) {
  const text = color("--text"), line = color("--line");
  const { data, layout } = JSON.parse(JSON.stringify(drawing).replaceAll('"#000000"', JSON.stringify(text)));
  const axis = { gridcolor: line, zerolinecolor: line, linecolor: line };
  Object.assign(layout, { paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)" });
  layout.font = { color: text, family: getComputedStyle(document.body).fontFamily };
  layout.modebar = { bgcolor: "rgba(0,0,0,0)", color: color("--muted"), activecolor: text };
  layout.hoverlabel = { bgcolor: color("--panel"), font: { color: text } };
  layout.xaxis = { ...layout.xaxis, ...axis };
  layout.yaxis = { ...layout.yaxis, ...axis };
  return [data, layout, config];
}

async function draw(figure) {
  const Plotly = await plotly;
  const key = [...figure.querySelectorAll("select")].map((select) => select.value).join("|");
  const canvas = figure.querySelector(".canvas");
  const drawing = drawings[figure.dataset.plot][key];
  if (drawing) {
    Plotly.react(canvas, ...themed(drawing));
  } else {
    Plotly.purge(canvas);
    canvas.textContent = "No results for this choice.";
  }
}

/** Plots are drawn when they come near the window, so that a long page opens quickly. */
const nearby = new IntersectionObserver((entries) => {
  for (const entry of entries.filter((each) => each.isIntersecting)) {
    nearby.unobserve(entry.target);
    entry.target.dataset.drawn = "";
    draw(entry.target);
  }
}, { rootMargin: "300px" });

for (const figure of document.querySelectorAll(".plot")) {
  figure.addEventListener("change", () => draw(figure));
  nearby.observe(figure);
}
dark.addEventListener("change", () => document.querySelectorAll(".plot[data-drawn]").forEach(draw));
window.addEventListener("beforeprint", () => document.querySelectorAll(".plot").forEach(draw));

// Tables --------------------------------------------------------------------------------------------------------

/** Numbers by size, words by alphabet, empty values last. */
function compare(one, other) {
  if (one === "" || other === "") return (one === "") - (other === "");
  return isNaN(one) || isNaN(other) ? one.localeCompare(other, undefined, { numeric: true }) : one - other;
}

function sort(table, header) {
  const descending = header.ariaSort === "ascending";
  const body = table.tBodies[0];
  const keyed = [...body.rows].map((row) => [row.cells[header.cellIndex].dataset.value ?? "", row]);
  const present = keyed.filter(([value]) => value !== "").sort(([one], [other]) => compare(one, other));
  if (descending) present.reverse();
  table.querySelectorAll("th[aria-sort]").forEach((each) => each.removeAttribute("aria-sort"));
  header.ariaSort = descending ? "descending" : "ascending";
  body.append(...present.map(([, row]) => row), ...keyed.filter(([value]) => value === "").map(([, row]) => row));
}

for (const table of document.querySelectorAll("table")) {
  for (const header of table.tHead.rows[table.tHead.rows.length - 1].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = header.textContent;
    button.setAttribute("aria-label", `Sort by ${header.textContent || header.ariaLabel}`);
    button.addEventListener("click", () => sort(table, header));
    header.replaceChildren(button);
  }
}

/** A field that filters the rows: those remain that contain every word typed. */
function addFilter(place) {
  const rows = [...place.querySelectorAll("tbody tr")];
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const field = document.createElement("input");
  const shown = document.createElement("output");
  const label = document.createElement("label");
  field.type = "search";
  field.placeholder = "words that must all occur";
  label.append(`Filter ${place.dataset.filter} `, field);
  const filter = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    rows.forEach((row, index) => { row.hidden = !words.every((word) => texts[index].includes(word)); });
    shown.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} rows`;
  };
  field.addEventListener("input", filter);
  const line = document.createElement("div");
  line.className = "filter";
  line.append(label, shown);
  place.prepend(line);
  filter();
}
document.querySelectorAll("[data-filter]").forEach(addFilter);

// Learning curves of single trials --------------------------------------------------------------------------------

let unpacked;

/** The curves, row by row; unpacked once, when the first curve is opened. */
function curves() {
  unpacked ??= unpack("curve-data").then(JSON.parse);
  return unpacked;
}

function curveDrawing(curve) {
  const line = (metric, name, axis, dash, hue) => ({
    type: "scatter", mode: "lines+markers", name, x: curve.epoch, y: curve[metric], yaxis: axis,
    line: { dash, color: hue, width: 2 }, marker: { size: 4 }, connectgaps: true,
  });
  return {
    data: [
      line("test_accuracy", "test accuracy", "y", "solid", "#0072B2"),
      line("train_accuracy", "training accuracy", "y", "dot", "#0072B2"),
      line("test_loss", "test loss", "y2", "solid", "#D55E00"),
      line("train_loss", "training loss", "y2", "dot", "#D55E00"),
    ],
    layout: {
      // A short axis would otherwise show halves of epochs.
      xaxis: { title: { text: "Epoch" }, automargin: true, ...(curve.epoch.at(-1) <= 10 && { dtick: 1 }) },
      yaxis: { title: { text: "Accuracy (%)" }, automargin: true },
      yaxis2: { title: { text: "Loss (nats)" }, overlaying: "y", side: "right", showgrid: false, rangemode: "tozero", tickmode: "auto" },
      margin: { t: 30, r: 60, b: 40, l: 60 }, legend: { orientation: "h", yref: "container", y: 0, yanchor: "bottom" }, hovermode: "x unified",
    },
  };
}

async function openCurve(index, title) {
  const dialog = document.getElementById("curve");
  const [Plotly, found] = await Promise.all([plotly, curves()]);
  const curve = found[index];
  dialog.querySelector("h2").textContent = title;
  dialog.showModal();
  const canvas = dialog.querySelector(".canvas");
  Plotly.purge(canvas);
  if (curve) Plotly.newPlot(canvas, ...themed(curveDrawing(curve)));
  else canvas.textContent = "This trial has no epochs.";
}

for (const place of document.querySelectorAll("[data-curves]")) {
  place.querySelectorAll("tbody tr").forEach((row, index) => {
    const name = row.firstElementChild;
    if ([...row.cells].some((cell) => cell.textContent === "missing")) return;
    const title = [...row.cells].slice(0, 6).map((cell) => cell.textContent).join(", ");
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name.textContent;
    button.setAttribute("aria-label", `Learning curve of ${title}`);
    button.addEventListener("click", () => openCurve(index, title));
    name.replaceChildren(button);
  });
}
