"use strict";
// Tables are sorted by any column, and all their columns copied as CSV, Markdown or LaTeX.
const words = new Intl.Collator("en", { numeric: true });
const NUMBER = /^([<>~]?) ?([-+\u2212]?)((?:\d[\d,]*)(?:\.\d+)?(?:e[-+]?\d+)?)(?![\w.])/i;

for (const table of document.querySelectorAll("table.data")) {
  const records = [...table.querySelectorAll(".record")].map((element) => ({ element }));
  const heads = [...table.tHead.rows[0].cells];
  const more = records.length ? [...records[0].element.querySelectorAll("dt")] : [];
  const sheet = { table, heads, records, names: [...heads, ...more].map((cell) => cell.textContent), column: -1, falling: false };
  const tools = make("div", "tools");
  if (records.length > 1) tools.append(sorter(sheet));
  tools.append(copier(sheet));
  table.parentNode.before(tools);
}

function make(name, kind, text = "") {
  const element = document.createElement(name);
  if (kind) element.className = kind;
  if (name === "button") element.type = "button";
  element.append(text);
  return element;
}

function sorter(sheet) {
  const label = make("label", "", "sort by ");
  const select = make("select");
  for (const [column, name] of [[-1, "order of the study"], ...sheet.names.entries()]) select.add(new Option(name, column));
  const turn = make("button", "turn");
  label.append(select);
  const show = () => {
    select.value = sheet.column;
    turn.hidden = sheet.column < 0;
    turn.textContent = sheet.falling ? "descending" : "ascending";
    for (const [column, head] of sheet.heads.entries()) {
      const order = sheet.falling ? "descending" : "ascending";
      head.setAttribute("aria-sort", column === sheet.column ? order : "none");
    }
  };
  const sort = (column, falling) => {
    Object.assign(sheet, { column, falling });
    show();
    arrange(sheet);
  };
  select.addEventListener("change", () => sort(Number(select.value), false));
  turn.addEventListener("click", () => sort(sheet.column, !sheet.falling));
  for (const [column, head] of sheet.heads.entries()) {
    const button = make("button", "", head.textContent);
    // Rising, falling, and then as it was.
    button.addEventListener("click", () => {
      const again = column === sheet.column;
      sort(again && sheet.falling ? -1 : column, again && !sheet.falling);
    });
    head.replaceChildren(button);
  }
  show();
  const group = make("span", "sort");
  group.append(label, turn);
  return group;
}

// A page of thousands of rows is open before all of them are read.
function cellsOf(record) {
  record.cells ??= [...record.element.querySelectorAll(".cell")].map((cell) => cell.textContent);
  return record.cells;
}

// Numbers, then words such as "not reached", then what is empty, whichever way numbers and words are sorted.
function keyOf(text) {
  const found = NUMBER.exec(text);
  if (!found) return { kind: text ? 1 : 2, text };
  const size = Number(found[3].replaceAll(",", ""));
  const value = found[2] === "-" || found[2] === "\u2212" ? -size : size;
  return { kind: 0, value: value + ({ "<": -1e-9, ">": 1e-9 }[found[1]] ?? 0) };
}

function arranged({ records, column, falling }) {
  if (column < 0) return records;
  const sign = falling ? -1 : 1;
  const keyed = records.map((record) => ({ record, key: keyOf(cellsOf(record)[column]) }));
  keyed.sort(({ key: a }, { key: b }) => a.kind - b.kind || sign * (a.kind ? words.compare(a.text, b.text) : a.value - b.value));
  return keyed.map(({ record }) => record);
}

function arrange(sheet) {
  const elements = arranged(sheet).map(({ element }) => element);
  if (elements.length) elements[0].parentNode.append(...elements);
}

function copier(sheet) {
  const group = make("span", "copy");
  const said = make("output");
  said.setAttribute("aria-live", "polite");
  group.append(said, "copy as ");
  for (const [name, write] of [["CSV", csv], ["Markdown", markdown], ["LaTeX", latex]]) {
    const button = make("button", "", name);
    button.setAttribute("aria-label", `Copy ${sheet.table.getAttribute("aria-label")} as ${name}`);
    button.addEventListener("click", async () => {
      const done = await copy(write(sheet.names, arranged(sheet).map(cellsOf)));
      said.textContent = done ? `copied as ${name}` : "the browser does not allow copying";
      button.focus();
    });
    group.append(button);
  }
  return group;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // A page that is opened as a file may have no clipboard, or may not use it.
    const area = make("textarea", "hidden", text);
    area.readOnly = true;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

function csv(names, rows) {
  const cell = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  return [names, ...rows].map((row) => `${row.map(cell).join(",")}\n`).join("");
}

function markdown(names, rows) {
  const cell = (text) => text.replaceAll("\\", "\\\\").replaceAll("|", "\\|").replaceAll("<", "&lt;");
  return [names, names.map(() => "---"), ...rows].map((row) => `| ${row.map(cell).join(" | ")} |\n`).join("");
}

const TEX = {
  "\\": "\\textbackslash{}", "{": "\\{", "}": "\\}", "$": "\\$", "&": "\\&", "#": "\\#", "_": "\\_", "%": "\\%",
  "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "<": "$<$", ">": "$>$", "|": "\\textbar{}",
  "\u00b1": "$\\pm$", "\u2212": "$-$", "\u00d7": "$\\times$",
};

function latex(names, rows) {
  const escaped = (text) => text.replace(/[\\{}$&#_%~^<>|\u00b1\u2212\u00d7]/g, (sign) => TEX[sign]);
  // A hyphen before a figure is a minus, but not that of a date, an exponent or a name.
  const cell = (text) => escaped(text).replace(/(^|[^\w.-])-(?=\.?\d)/g, "$1$$-$$");
  // At the start of a row "[" and "*" would be read as arguments of the command before.
  const line = (row) => `${row.map(cell).join(" & ").replace(/^(?=[[*])/, "{}")} \\\\\n`;
  const number = (column) => rows.some((row) => row[column]) && rows.every((row) => !row[column] || keyOf(row[column]).kind === 0);
  const columns = names.map((_, column) => (column && number(column) ? "r" : "l")).join("");
  return `\\begin{tabular}{${columns}}\n\\toprule\n${line(names)}\\midrule\n${rows.map(line).join("")}\\bottomrule\n\\end{tabular}\n`;
}
