// The selected templates: tables and plots mark them together.

const selection = new Set(address.choices.getAll("select"));
const whenSelected = [];

function showSelection() {
  const bar = document.getElementById("selection");
  bar.hidden = !selection.size;
  bar.querySelector("span").textContent = `Selected: ${[...selection].join(", ")} `;
  for (const update of whenSelected) update();
}

function toggleSelected(template) {
  if (!selection.delete(template)) selection.add(template);
  remember("select", selection);
  showSelection();
}

document.querySelector("#selection button").addEventListener("click", () => {
  selection.clear();
  remember("select", []);
  showSelection();
});
