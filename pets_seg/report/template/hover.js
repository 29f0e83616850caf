"use strict";
// Show values under the pointer: those of every group at the nearest x in a panel of lines, or of the nearest mark.
const tip = document.getElementById("tip");

for (const figure of document.querySelectorAll("[data-hover]")) {
  const panels = JSON.parse(document.getElementById(figure.dataset.hover).textContent);
  const svg = figure.querySelector("svg");
  const pointer = document.createElementNS("http://www.w3.org/2000/svg", "path");
  pointer.setAttribute("class", "pointer");
  svg.append(pointer);
  const leave = () => { tip.hidden = true; pointer.setAttribute("d", ""); };
  const move = (event) => {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    const panel = panels.find(({ box }) => at.x >= box[0] - 4 && at.x <= box[2] + 4 && at.y >= box[1] - 4 && at.y <= box[3] + 4);
    const nearest = panel && (panel.points ? nearestMark(panel, at) : nearestValues(panel, at.x));
    if (!nearest) return leave();
    pointer.setAttribute("d", nearest.path);
    show(nearest, event);
  };
  svg.addEventListener("pointermove", move);
  svg.addEventListener("pointerdown", move);
  // A finger covers what it points at, so the values stay until it taps elsewhere.
  svg.addEventListener("pointerleave", (event) => { if (event.pointerType !== "touch") leave(); });
  document.addEventListener("pointerdown", (event) => { if (!svg.contains(event.target)) leave(); });
}

// What is folded away is part of the printed page.
addEventListener("beforeprint", () => {
  for (const folded of document.querySelectorAll("details")) folded.open = true;
});

function nearestMark({ points }, at) {
  const distance = ([x, y]) => (x - at.x) ** 2 + (y - at.y) ** 2;
  const best = points.reduce((one, other) => (one && distance(one) <= distance(other) ? one : other), null);
  if (!best || distance(best) > 1600) return null;
  const [x, y, colour, lines] = best;
  return { head: lines[0], rows: lines.slice(1).map((text) => ({ text })), colour, path: `M${x - 6},${y}a6,6 0 1 0 12,0a6,6 0 1 0 -12,0` };
}

function nearestValues({ box, x: [low, high], log, head, series }, at) {
  const scale = log ? Math.log : Number;
  const unscale = log ? Math.exp : Number;
  const part = (at - box[0]) / (box[2] - box[0]);
  const wanted = unscale(scale(low) + part * (scale(high) - scale(low)));
  const distance = (value) => (value === null ? Infinity : Math.abs(scale(value) - scale(wanted)));
  const rows = [];
  let nearest = null;
  for (const { name, colour, x, y, sd } of series) {
    const index = x.reduce((best, value, here) => (distance(value) < distance(x[best]) ? here : best), 0);
    // A line that ends far from the pointer has no value there.
    if (y[index] === null || !x.length || distance(x[index]) > 0.06 * (scale(high) - scale(low))) continue;
    if (nearest === null || distance(x[index]) < distance(nearest)) nearest = x[index];
    const deviation = sd && sd[index] !== null ? ` ± ${number(sd[index])}` : "";
    rows.push({ colour, text: `${name} ${number(y[index])}${deviation}` });
  }
  if (nearest === null) return null;
  const place = box[0] + (scale(nearest) - scale(low)) / (scale(high) - scale(low)) * (box[2] - box[0]);
  return { head: `${head} ${number(nearest)}`, rows, path: `M${place},${box[1]}V${box[3]}` };
}

function number(value) {
  return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(4)));
}

// Names come from users: they become text, never markup.
function show({ head, rows, colour }, event) {
  const title = document.createElement("b");
  if (colour) title.append(dot(colour));
  title.append(head);
  tip.replaceChildren(title, ...rows.map((row) => {
    const line = document.createElement("div");
    if (row.colour) line.append(dot(row.colour));
    line.append(row.text);
    return line;
  }));
  tip.hidden = false;
  const { width, height } = tip.getBoundingClientRect();
  const right = event.clientX + 16 + width < innerWidth;
  const x = right ? event.clientX + 16 : Math.max(4, event.clientX - 16 - width);
  const y = Math.min(event.clientY + 12, innerHeight - height - 4);
  tip.style.transform = `translate(${x}px, ${Math.max(4, y)}px)`;
}

function dot(colour) {
  const mark = document.createElement("i");
  mark.style.background = `var(--${colour})`;
  return mark;
}
