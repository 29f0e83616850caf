// Learning curves that can be zoomed, smoothed and put on a logarithmic axis, in place of the drawing made for print.
const WHOLE = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000];

for (const figure of document.querySelectorAll("figure[data-curves]")) {
  drawCurves(figure, JSON.parse(document.getElementById(figure.dataset.curves).textContent));
}

function drawCurves(figure, { panels, caption }) {
  const view = { by: 0, last: false, log: false, smooth: false, hidden: new Set() };
  const box = element("div", { className: "curves" });
  const bar = element("div", { className: "bar", role: "group", ariaLabel: "How the curves are shown" });
  const charts = element("div", { className: "charts" });
  const names = element("ul", { className: "names" });
  let drawn = [];
  const draw = () => {
    const focused = drawn.findIndex((chart) => chart.slider === document.activeElement);
    for (const chart of drawn) chart.destroy();
    drawn = panels.map((panel) => chartOf(panel, view, charts, whole));
    drawn[focused]?.slider.focus();
  };
  const late = toggle("late epochs", "Leave out the first quarter of the course", (on) => { view.last = on; draw(); });
  const whole = () => { view.last = false; late.ariaPressed = "false"; draw(); };
  const all = element("button", { type: "button", textContent: "all epochs", title: "Undo every zoom" });
  all.addEventListener("click", whole);
  if (panels[0].views.length > 1) {
    bar.append(toggle("by time", "Put epochs at the time at which they ended", (on) => { view.by = on ? 1 : 0; draw(); }));
  }
  bar.append(
    late,
    toggle("log loss", "Logarithmic axis for losses", (on) => { view.log = on; draw(); }),
    toggle("smooth", "Exponential moving average, weight 0.6", (on) => { view.smooth = on; draw(); }),
    all,
    element("span", { className: "hint", textContent: "Drag to zoom, double-click to see all. Keys on a chart: arrows for values, + and - to zoom." }),
  );
  for (const [label, of] of legend(panels)) {
    const button = toggle(label, "Show or hide", (on) => { for (const one of of) view.hidden[on ? "delete" : "add"](one.name); draw(); }, true);
    const mark = element("i", {});
    mark.style.borderTop = `3px ${of[0].dash ? "dashed" : "solid"} var(--${of[0].colour})`;
    button.prepend(mark);
    const item = element("li", {});
    item.append(button);
    names.append(item);
  }
  box.append(bar, charts, names, element("p", { className: "note", textContent: caption }));
  figure.prepend(box);
  figure.classList.add("live");
  figure.charts = () => drawn;
  draw();
  // A canvas keeps the width and the colours with which it was drawn.
  let width = box.clientWidth;
  new ResizeObserver(() => { if (box.clientWidth !== width) { width = box.clientWidth; draw(); } }).observe(box);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
}

// Pairs of a label and the series that it stands for: runs of a group share theirs, and so do grey ones.
function legend(panels) {
  const every = new Map(panels.flatMap(({ views }) => views.flatMap(({ series }) => series.map((one) => [one.name, one]))));
  const entries = new Map(), grey = [];
  for (const one of every.values()) {
    if (one.thin) grey.push(one);
    else entries.set(one.group ?? one.name, [...(entries.get(one.group ?? one.name) ?? []), one]);
  }
  return grey.length ? [...entries, [`${grey.length} others`, grey]] : [...entries];
}

// A chart is a slider: keys move its cursor, and a screen reader says the values there. `whole` undoes every zoom.
function chartOf(panel, view, charts, whole) {
  const { unit, series: all } = panel.views[Math.min(view.by, panel.views.length - 1)];
  // What is in colour is drawn over what is grey.
  const shown = all.filter(({ name }) => !view.hidden.has(name)).sort((one, other) => Boolean(other.thin) - Boolean(one.thin));
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  const columns = Math.max(1, Math.min(3, Math.floor(charts.clientWidth / 280)));
  const width = Math.floor((charts.clientWidth - 12 * (columns - 1)) / columns);
  const tables = shown.map(({ x, y, sd }) => tableOf(x, y, sd, view));
  // Without a series there is still an axis.
  const data = tables.length ? uPlot.join(tables) : [[0, 1]];
  const logarithmic = view.log && panel.loss && data.slice(1).flat().some((value) => value > 0);
  const axis = { stroke: colour("muted"), font: "11px system-ui, sans-serif", ticks: { show: false } };
  const grid = { stroke: colour("grid"), width: 1 };
  const [first, last] = [Math.min(...data[0]), Math.max(...data[0])];
  const start = view.last ? first + (last - first) / 4 : first;
  const options = {
    width, height: Math.round(Math.min(300, 0.72 * width + 40)), legend: { show: false },
    scales: { x: { time: false, min: start, max: last, range: (u, low, high) => xRange(low, high) }, y: { distr: logarithmic ? 3 : 1 } },
    cursor: { points: { size: 6 }, bind: { dblclick: () => whole } },
    axes: [
      { ...axis, grid: { show: false }, label: unit, labelFont: axis.font, labelSize: 18, size: 26, incrs: unit === "epoch" ? WHOLE : undefined },
      { ...axis, grid, size: 50 },
    ],
    series: [{}],
    bands: [],
    hooks: { setCursor: [(u) => point(u, shown, unit, slider)] },
  };
  if (!logarithmic) options.scales.y.range = (u, low, high) => padded(low, high);
  shown.forEach((one, index) => {
    const at = 3 * index + 1;
    const line = { stroke: colour(one.colour), spanGaps: true, points: { show: one.x.length < 2, size: 6, fill: colour(one.colour) } };
    options.series.push({ ...line, width: one.thin || one.line ? 1 : 1.6, dash: one.dash ? [6, 3] : undefined });
    options.series.push({ spanGaps: true, points: { show: false }, auto: true }, { spanGaps: true, points: { show: false }, auto: true });
    if (!one.thin) options.bands.push({ series: [at + 1, at + 2], fill: `color-mix(in srgb, ${colour(one.colour)} 14%, transparent)` });
  });
  const place = element("div", { className: "chart" });
  const slider = element("div", { role: "slider", tabIndex: 0, ariaLabel: `${panel.title} by ${unit}`, ariaValueMin: start, ariaValueMax: last });
  place.append(element("h3", { textContent: panel.title }), slider);
  charts.append(place);
  const chart = new uPlot(options, data, slider);
  say(slider, valuesAt(chart, data[0].length - 1, shown, unit), last);
  slider.addEventListener("keydown", (event) => press(event, chart, [start, last]));
  slider.addEventListener("blur", () => chart.setCursor({ left: -10, top: -10 }));
  const zoomed = () => {
    const { min, max } = chart.scales.x;
    return min > start || max < last ? { min, max } : null;
  };
  return { chart, slider, zoomed, destroy: () => { chart.destroy(); place.remove(); } };
}

// Move the cursor to a neighbouring point of the x axis, or zoom around it within `range`.
function press(event, u, range) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const x = u.data[0];
  const { min, max } = u.scales.x;
  const [first, last] = [x.findIndex((value) => value >= min), x.findLastIndex((value) => value <= max)];
  const at = u.cursor.idx ?? null;
  const to = (index) => {
    const left = u.valToPos(x[Math.min(Math.max(index, first), last)], "x");
    u.setCursor({ left, top: u.over.clientHeight / 2 });
  };
  const zoom = (factor) => {
    const middle = at === null ? (min + max) / 2 : x[at];
    const [low, high] = [middle - factor * (middle - min), middle + factor * (max - middle)].map((end) => Math.min(Math.max(end, range[0]), range[1]));
    if (x.filter((value) => value >= low && value <= high).length < 2) return;
    u.setScale("x", { min: low, max: high });
    // The scale is set in a microtask that was queued before this one.
    if (at !== null) queueMicrotask(() => to(at));
  };
  const keys = {
    ArrowRight: () => to(at === null ? first : at + 1), ArrowLeft: () => to(at === null ? last : at - 1),
    Home: () => to(first), End: () => to(last), "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2),
  };
  if (!Object.hasOwn(keys, event.key)) return;
  event.preventDefault();
  keys[event.key]();
}

// x, mean, and the ends of its band, which has no width where there is none.
function tableOf(x, y, sd, view) {
  const mean = view.smooth ? smoothed(y) : y;
  const end = (sign) => y.map((value, at) => (sd && !view.smooth && value !== null && sd[at] !== null ? value + sign * sd[at] : null));
  return [x, mean, end(1), end(-1)];
}

// As TensorBoard does it: an exponential moving average without the bias towards its start.
function smoothed(values, weight = 0.6) {
  let sum = 0, total = 0;
  return values.map((value) => {
    if (value === null) return null;
    sum = weight * sum + (1 - weight) * value;
    total = weight * total + (1 - weight);
    return sum / total;
  });
}

function xRange(low, high) {
  return low === high ? [low - 1, high + 1] : [low, high];
}

function padded(low, high) {
  if (low === null) return [0, 1];
  const pad = 0.06 * (high - low) || 0.01;
  return [low - pad, high + pad];
}

function point(u, shown, unit, slider) {
  const { idx, left, top } = u.cursor;
  const values = idx === null || idx === undefined || left < 0 ? null : valuesAt(u, idx, shown, unit);
  if (!values) { tip.hidden = true; return; }
  const area = u.over.getBoundingClientRect();
  show(values, { clientX: area.left + left, clientY: area.top + top });
  say(slider, values, u.data[0][idx]);
}

function say(slider, values, x) {
  slider.ariaValueNow = x;
  slider.ariaValueText = values ? [values.head, ...values.rows.map(({ text }) => text)].join(", ") : "no values";
}

// Values of every series near a point of the x axis, the largest first; null without any.
function valuesAt(u, at, shown, unit) {
  const rows = [];
  shown.forEach(({ name, colour }, index) => {
    const nearest = near(u.data[3 * index + 1], u.data[0], at);
    if (nearest === null) return;
    const value = u.data[3 * index + 1][nearest];
    const upper = u.data[3 * index + 2][nearest];
    const spread = upper === null || upper === undefined ? "" : ` ± ${number(upper - value)}`;
    rows.push({ colour, value, text: `${name} ${number(value)}${spread}` });
  });
  rows.sort((one, other) => other.value - one.value);
  return rows.length ? { head: `${unit} ${number(u.data[0][at])}`, rows } : null;
}

// Series have x of their own by time: the value nearest to the pointer, if that is near.
function near(values, x, at) {
  const span = 0.06 * (x[x.length - 1] - x[0]);
  for (let away = 0; away < x.length; away += 1) {
    for (const index of [at - away, at + away]) {
      if (index in x && Math.abs(x[index] - x[at]) <= span && values[index] !== null && values[index] !== undefined) return index;
    }
    if (!(at - away in x) && !(at + away in x)) return null;
  }
  return null;
}

function toggle(text, title, act, pressed = false) {
  const button = element("button", { type: "button", title, textContent: text, ariaPressed: String(pressed) });
  button.addEventListener("click", () => {
    const on = button.ariaPressed !== "true";
    button.ariaPressed = String(on);
    act(on);
  });
  return button;
}

function element(name, properties) {
  return Object.assign(document.createElement(name), properties);
}
