// Printing shows all rows of all pages that pass the filters, all plots, and what is folded.

let opened = [];
let printedTables = [];
tables.then((made) => { printedTables = made; });

addEventListener("beforeprint", () => {
  printing = true;
  opened = [...document.querySelectorAll("details:not([open])")];
  for (const each of opened) each.open = true;
  for (const table of printedTables) table.showAll();
  for (const figure of figures) if (window.Plotly && drawings[figure.dataset.plot]) drawNow(figure);
});

addEventListener("afterprint", () => {
  printing = false;
  for (const each of opened) each.open = false;
  for (const table of printedTables) table.showPage();
  redraw();
});
