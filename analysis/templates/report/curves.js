// Learning curves of single trials.

let unpackedCurves;

/** The curves, row by row; unpacked once, when the first curve is opened. */
function curves() {
  unpackedCurves ??= unpackJson("curve-data");
  return unpackedCurves;
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

async function openCurve(row, title) {
  const dialog = document.getElementById("curve");
  const [Plotly, found] = await Promise.all([plotly, curves()]);
  const curve = found[row];
  dialog.querySelector("h2").textContent = title;
  if (!dialog.open) dialog.showModal();
  const canvas = dialog.querySelector(".canvas");
  Plotly.purge(canvas);
  canvas.replaceChildren();
  if (curve) Plotly.newPlot(canvas, ...themed(curveDrawing(curve)), config);
  else canvas.textContent = "This trial has no epochs.";
  canvas.ariaLabel = curve
    ? `Learning curve of ${title}: test accuracy ${curve.test_accuracy.at(-1)} % in epoch ${curve.epoch.at(-1)}`
    : canvas.textContent;
}

/** The name of a trial; a button that opens its learning curve, unless the trial is missing. */
function curveButton(table, row, text) {
  const of = (name) => table.columns.find((column) => column.title === name).texts[row];
  if (of("Status") === "missing") return text;
  const title = table.columns.slice(0, 6).map((column) => column.texts[row]).join(", ");
  const button = make("button", { type: "button", textContent: text, ariaLabel: `Learning curve of ${title}` });
  button.addEventListener("click", () => openCurve(row, title));
  return button;
}
