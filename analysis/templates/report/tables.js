// Tables: sorted, filtered, paged, copied and saved. Their rows are data; only those of one page are in the document.

const { pageRows, templates } = document.getElementById("main").dataset;
const PAGE_ROWS = Number(pageRows);
const TEMPLATES = new Set(JSON.parse(templates));
const MOST_IN_VIEW = 25;
const FILTERED_FROM = 13;
const MOST_OPTIONS = { left: 200, right: 12 };

const inWords = new Intl.Collator(undefined, { numeric: true });

/** How the values of a column are sorted: numbers by size, words by alphabet, with the numbers in them by size. */
function orderOf(values) {
  const isNumber = (value) => typeof value === "number" || value === "Infinity" || value === "-Infinity";
  return values.every(isNumber) ? (one, other) => Number(one) - Number(other) || 0 : inWords.compare;
}

/**
 * A test of rows from what was typed: `=a` is exactly a, `> 90` compares numbers, anything else must occur. It is null
 * if nothing is asked, and undefined if the number is none.
 */
function columnTest(column, typed) {
  const [, sign, wanted] = typed.match(/^\s*(<=|>=|=|<|>)?\s*(.*?)\s*$/);
  if (!wanted) return null;
  if (!sign) return (row) => column.texts[row].toLowerCase().includes(wanted.toLowerCase());
  if (sign === "=") return (row) => column.texts[row] === wanted;
  const limit = Number(wanted);
  if (Number.isNaN(limit)) return undefined;
  const holds = {
    "<": (value) => value < limit, ">": (value) => value > limit,
    "<=": (value) => value <= limit, ">=": (value) => value >= limit,
  }[sign];
  // By the number as shown: the value behind 20.04 (M) is 20,035,018. It may be shown as '< 0.001' or '> 100'.
  return (row) => holds(parseFloat(column.texts[row].replace(/^[<>]\s*/, "")));
}

/** A value as a CSV field; a text that a spreadsheet would run as a formula is quoted. */
function csvField(value) {
  if (value === null) return "";
  const isFormula = typeof value === "string" && /^[=+\-@\t\r]/.test(value) && value !== "-Infinity";
  const text = isFormula ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

async function copyText(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const field = make("textarea", { value: text });
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
}

/** The templates that a cell names, each as a button that selects it. */
function templateButtons(text) {
  const names = TEMPLATES.has(text) ? [text] : text.split(", ");
  const found = document.createDocumentFragment();
  if (!names.every((name) => TEMPLATES.has(name))) {
    found.append(text);
    return found;
  }
  names.forEach((name, index) => {
    const button = make("button", { type: "button", className: "template", textContent: name });
    button.addEventListener("click", () => toggleSelected(name));
    found.append(index ? ", " : "", button);
  });
  return found;
}

class DataTable {
  constructor(place, data) {
    this.place = place;
    this.columns = data.columns;
    this.order = Array.from({ length: data.rows }, (_, row) => row);
    this.shown = this.order;
    this.page = 0;
    this.tests = new Map();
    this.best = data.columns.map((column) => new Set(column.best));
    this.template = data.columns.findIndex((column) => column.title === "Template");
    this.body = place.querySelector("tbody");
    this.head = place.querySelector("thead");
    this.counter = make("span", { className: "counter" });
    this.addSorting();
    this.addTools();
    if (data.rows >= FILTERED_FROM) this.addFilters();
    this.restoreSorting();
    this.filter();
    whenSelected.push(() => this.markSelected());
  }

  /** The value by which a column sorts: that of its first part, or null for none. */
  value(column, row) {
    const value = column.values ? column.values[0][row] : column.texts[row];
    return value === "" ? null : value;
  }

  // Sorting

  addSorting() {
    this.headers = [...this.head.rows[this.head.rows.length - 1].cells];
    this.headers.forEach((header, index) => {
      const name = header.textContent;
      const button = make("button", { type: "button", textContent: name, ariaLabel: `Sort by ${this.columns[index].title}` });
      button.addEventListener("click", () => {
        this.sort(index, header.ariaSort === "ascending");
        remember(`${this.place.id}:sort`, [this.columns[index].title, header.ariaSort]);
        this.filter();
      });
      header.replaceChildren(button);
    });
  }

  sort(index, descending) {
    const column = this.columns[index];
    const rows = this.order.map((_, row) => row);
    const present = rows.filter((row) => this.value(column, row) !== null);
    const absent = rows.filter((row) => this.value(column, row) === null);
    const order = orderOf(present.map((row) => this.value(column, row)));
    present.sort((one, other) => order(this.value(column, one), this.value(column, other)));
    if (descending) present.reverse();
    this.order = [...present, ...absent];
    for (const header of this.headers) header.ariaSort = null;
    this.headers[index].ariaSort = descending ? "descending" : "ascending";
  }

  restoreSorting() {
    const [title, direction] = address.choices.getAll(`${this.place.id}:sort`);
    const index = this.columns.findIndex((column) => column.title === title);
    if (index >= 0) this.sort(index, direction === "descending");
  }

  // Filters

  addFilters() {
    const field = make("input", { type: "search", placeholder: "words that must all occur" });
    this.tools.prepend(make("label", {}, "Filter ", field));
    this.connect(field, `${this.place.id}:words`, (typed) => {
      const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
      return words.length ? (row) => words.every((word) => this.searched(row).includes(word)) : null;
    });
    this.head.append(make("tr", { className: "filters" }, ...this.columns.map((column) => this.filterOf(column))));
  }

  searched(row) {
    this.searchable ??= this.order.map((_, each) => this.columns.map((column) => column.texts[each]).join(" ").toLowerCase());
    return this.searchable[row];
  }

  /** A cell with a choice among the texts of a column, or a field if there are many. */
  filterOf(column) {
    const options = [...new Set(column.texts)].filter(Boolean).sort(inWords.compare);
    const cell = make("td");
    if (options.length < 2) return cell;
    // Names that rarely come twice, such as those of trials, are typed or pasted.
    const few = options.length <= Math.min(MOST_OPTIONS[column.align], this.order.length / 2);
    const field = few ? make("select") : make("input", { type: "search", placeholder: column.align === "right" ? "> 0" : "" });
    field.ariaLabel = `Filter by ${column.title}`;
    if (few) {
      const choices = options.map((text) => make("option", { value: text, textContent: text }));
      field.append(make("option", { value: "", textContent: "all" }), ...choices);
    }
    this.connect(field, `${this.place.id}.${column.title}`, (chosen) => {
      if (!few) return columnTest(column, chosen);
      return chosen ? (row) => column.texts[row] === chosen : null;
    });
    cell.append(field);
    return cell;
  }

  /**
   * Filter by a field, whose value the address keeps as `choice`. `testOf` makes the test of a row from the value: null
   * if every row passes, undefined if the value makes no sense.
   */
  connect(field, choice, testOf) {
    const set = () => {
      const test = testOf(field.value);
      if (test) this.tests.set(choice, test);
      else this.tests.delete(choice);
      field.ariaInvalid = test === undefined;
    };
    field.addEventListener(field.matches("select") ? "change" : "input", () => {
      set();
      remember(choice, field.value ? [field.value] : []);
      this.counter.role = "status"; // is read out from now on
      this.filter();
    });
    field.value = address.choices.get(choice) ?? "";
    set();
  }

  filter() {
    const tests = [...this.tests.values()];
    this.shown = tests.length ? this.order.filter((row) => tests.every((test) => test(row))) : this.order;
    this.place.classList.toggle("filtered", tests.length > 0);
    this.turnTo(0);
  }

  // Pages

  turnTo(page) {
    this.page = page;
    this.showPage();
    this.place.querySelector(".scroll").scrollTop = 0;
  }

  showPage() {
    const first = this.page * PAGE_ROWS;
    const last = Math.min(first + PAGE_ROWS, this.shown.length);
    this.render(this.shown.slice(first, last));
    this.pager.hidden = this.shown.length <= PAGE_ROWS;
    if (!this.pager.hidden) this.counter.prepend(`${first + 1} to ${last} of `);
    const [back, forward] = this.pager.querySelectorAll("button");
    back.ariaDisabled = this.page === 0;
    forward.ariaDisabled = last === this.shown.length;
  }

  /** All pages that pass the filters, for printing. */
  showAll() {
    this.render(this.shown);
  }

  render(rows) {
    const count = this.shown.length, every = this.order.length;
    this.counter.textContent = `${count} ${count === 1 ? "row" : "rows"}${count < every ? ` (${every} in all)` : ""}`;
    const lines = document.createDocumentFragment();
    for (const row of rows) lines.append(this.line(row));
    this.body.replaceChildren(lines);
    this.place.classList.toggle("long", rows.length > MOST_IN_VIEW);
    this.markSelected();
  }

  line(row) {
    const cells = this.columns.map((column, index) => make("td", { className: column.align }, this.content(column, index, row)));
    return make("tr", {}, ...cells);
  }

  content(column, index, row) {
    const text = column.texts[row];
    if (index === this.template) return templateButtons(text);
    if (index === 0 && "curves" in this.place.dataset) return curveButton(this, row, text);
    return this.best[index].has(row) ? make("strong", { textContent: text }) : text;
  }

  markSelected() {
    if (this.template < 0) return;
    for (const line of this.body.rows) {
      const buttons = [...line.cells[this.template].querySelectorAll("button")];
      for (const button of buttons) button.ariaPressed = selection.has(button.textContent);
      line.classList.toggle("selected", buttons.some((button) => selection.has(button.textContent)));
    }
  }

  // Copies

  addTools() {
    const back = make("button", { type: "button", textContent: "‹", ariaLabel: "Previous rows" });
    const forward = make("button", { type: "button", textContent: "›", ariaLabel: "Next rows" });
    back.addEventListener("click", () => this.page > 0 && this.turnTo(this.page - 1));
    forward.addEventListener("click", () => (this.page + 1) * PAGE_ROWS < this.shown.length && this.turnTo(this.page + 1));
    this.pager = make("span", { className: "pager" }, back, " ", forward);
    const copy = make("button", { type: "button", className: "copy", textContent: "Copy", title: "Copy the rows shown, as text" });
    copy.addEventListener("click", async () => {
      copy.textContent = await copyText(this.asText()).then(() => "Copied", () => "Not allowed");
      setTimeout(() => { copy.textContent = "Copy"; }, 1500);
    });
    const save = make("button", { type: "button", className: "save", textContent: "CSV", title: "Save the rows shown, in full precision" });
    save.addEventListener("click", () => {
      const link = make("a", { href: URL.createObjectURL(new Blob([this.asCsv()], { type: "text/csv" })) });
      link.download = `${this.place.id}.csv`;
      link.click();
      URL.revokeObjectURL(link.href);
    });
    this.tools = make("div", { className: "tools" }, this.counter, this.pager, copy, save);
    this.place.prepend(this.tools);
  }

  /** The rows that pass the filters, of all pages, as tab-separated texts. */
  asText() {
    const lines = this.shown.map((row) => this.columns.map((column) => column.texts[row]).join("\t"));
    return [this.columns.map((column) => column.title).join("\t"), ...lines].join("\n");
  }

  /** The same as CSV, in full precision: the columns of `fdt-sweep results --format csv`. */
  asCsv() {
    const parts = this.columns.flatMap((column) => column.keys.map((key, part) => [key, column.values ? column.values[part] : column.texts]));
    const lines = this.shown.map((row) => parts.map(([, values]) => csvField(values[row])).join(","));
    return [parts.map(([key]) => csvField(key)).join(","), ...lines, ""].join("\n");
  }
}

/** All tables of the page, once their data is unpacked. */
const tables = unpackJson("table-data").then((data) => {
  const made = [...document.querySelectorAll(".data")].map((place) => new DataTable(place, data[place.id]));
  showSelection();
  // The browser knows no place with choices, and tools above the tables have moved the others.
  document.getElementById(address.place)?.scrollIntoView();
  return made;
});
