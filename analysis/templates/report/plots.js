// Plots, drawn by plotly when they come near the window.

const dark = window.matchMedia("(prefers-color-scheme: dark)");
const config = { responsive: true, displaylogo: false, modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]] };
const figures = [...document.querySelectorAll(".plot")];
const PAPER = {
  "--text": "#000000", "--line": "#d0d7de", "--muted": "#57606a", "--panel": "#ffffff", "--base-band": "rgba(0,0,0,0.15)",
};
const PAPER_SIZE = { width: 1000, height: 330, most: 590 };
const drawings = {};
let printing = false;

/** Plotly and the drawings are large: they are unpacked after the page has loaded, so that it opens quickly. */
const plotly = new Promise((ready) => addEventListener("load", () => setTimeout(async () => {
  document.head.append(make("script", { textContent: await unpack("plotly") }));
  ready(window.Plotly);
  // Printing cannot wait for them.
  for (const figure of figures) await unpackDrawings(figure.dataset.plot);
})));

async function unpackDrawings(name) {
  drawings[name] ??= await unpackJson(`drawings-${name}`);
}

/** A colour of the page, or of paper while printing. */
function color(name) {
  return printing ? PAPER[name] : getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** A drawing in the colours of the page; base is black on a light page, white on a dark one. */
function themed(drawing) {
  const text = color("--text"), line = color("--line");
  const { data, layout } = JSON.parse(
    JSON.stringify(drawing)
      .replaceAll('"#000000"', JSON.stringify(text))
      .replaceAll('"rgba(0,0,0,0.15)"', JSON.stringify(color("--base-band"))),
  );
  const axis = { gridcolor: line, zerolinecolor: line, linecolor: line };
  Object.assign(layout, { paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)" });
  layout.font = { color: text, family: getComputedStyle(document.body).fontFamily };
  layout.modebar = { bgcolor: "rgba(0,0,0,0)", color: color("--muted"), activecolor: text };
  layout.hoverlabel = { bgcolor: color("--panel"), font: { color: text } };
  layout.xaxis = { ...layout.xaxis, ...axis };
  layout.yaxis = { ...layout.yaxis, ...axis };
  if (printing) {
    layout.width = PAPER_SIZE.width;
    const height = layout.height ?? PAPER_SIZE.height;
    layout.height = Math.max(Math.min(height, PAPER_SIZE.most), height / 2);
    if (layout.height < height) layout.font.size = 8;
  }
  if (selection.size) {
    for (const trace of data.filter((each) => each.meta && !selection.has(each.meta))) trace.opacity = 0.15;
  }
  return [data, layout];
}

async function draw(figure) {
  await plotly;
  await unpackDrawings(figure.dataset.plot);
  drawNow(figure);
}

function drawNow(figure) {
  const key = [...figure.querySelectorAll("select")].map((select) => select.value).join("|");
  const canvas = figure.querySelector(".canvas");
  const drawing = drawings[figure.dataset.plot][key];
  figure.dataset.drawn = "";
  if (!drawing) {
    Plotly.purge(canvas);
    canvas.textContent = "No results for this choice.";
    canvas.ariaLabel = canvas.textContent;
    return;
  }
  const isNew = !canvas.querySelector(".main-svg");
  if (isNew) canvas.textContent = "";
  const [data, layout] = themed(drawing);
  layout.uirevision = key; // the reader's zoom stays while a template is selected
  canvas.style.height = layout.height ? `${layout.height}px` : "";
  canvas.ariaLabel = drawing.alt;
  Plotly.react(canvas, data, layout, config);
  if (isNew) canvas.on("plotly_click", ({ points }) => points[0].data.meta && toggleSelected(points[0].data.meta));
}

function redraw() {
  for (const figure of figures) if ("drawn" in figure.dataset) draw(figure);
}

const nearby = new IntersectionObserver((entries) => {
  for (const entry of entries.filter((each) => each.isIntersecting)) {
    nearby.unobserve(entry.target);
    draw(entry.target);
  }
}, { rootMargin: "300px" });

for (const figure of figures) {
  const choice = `${figure.id}`;
  const selects = [...figure.querySelectorAll("select")];
  address.choices.getAll(choice).forEach((value, index) => {
    const options = [...(selects[index]?.options ?? [])].map((option) => option.value);
    if (options.includes(value)) selects[index].value = value;
  });
  figure.addEventListener("change", () => {
    remember(choice, selects.map((select) => select.value));
    draw(figure);
  });
  nearby.observe(figure);
}
dark.addEventListener("change", redraw);
whenSelected.push(redraw);
