// Test images to leaf through: the worst and the most changed of a group, with the outlines of masks.
for (const place of document.querySelectorAll("[data-gallery]")) {
  leafThrough(place, JSON.parse(document.getElementById(place.dataset.gallery).textContent));
}

function leafThrough(place, data) {
  const others = data.groups.length > 1;
  const bar = element("div", { className: "bar", role: "group", ariaLabel: "What is shown" });
  const group = choice(bar, "group", data.groups, others ? 1 : 0);
  const list = choice(bar, "images", others ? ["most changed", "worst"] : ["worst"], 0);
  const seed = choice(bar, "seed", data.seeds, 0);
  const outlines = { truth: true, predicted: true, first: false };
  const names = { truth: "true mask", predicted: "predicted mask", first: `mask of ${data.groups[0]}` };
  const cards = element("ul", { className: "cards" });
  const draw = () => show(cards, data, { group: group.selectedIndex, list: list.value, seed: seed.selectedIndex, outlines, names });
  for (const [name, text] of Object.entries(names)) {
    if (name === "first" && !others) continue;
    const button = toggle(text, "Show or hide this outline", (on) => { outlines[name] = on; draw(); }, outlines[name]);
    const mark = element("i", { className: name });
    button.prepend(mark);
    bar.append(button);
  }
  for (const select of [group, list, seed]) select.addEventListener("change", draw);
  place.append(bar, cards);
  place.hidden = false;
  draw();

  function show(cards, data, view) {
    const stems = data[view.list === "worst" ? "worst" : "changed"][view.group];
    cards.replaceChildren(...stems.map((stem) => card(data, stem, view)));
    if (!stems.length) cards.append(element("li", { className: "note", textContent: `${unchanged(data, view)}; choose another group, or its worst images.` }));
  }
}

function unchanged({ groups, seeds }, { group }) {
  if (!group) return "It is what the others are compared with";
  return `Its Dice${seeds.length > 1 ? ", averaged over the seeds," : ""} is that of ${groups[0]} for every image`;
}

function card(data, stem, { group, seed, outlines, names }) {
  const dice = data.dice[group][seed][stem];
  const before = data.dice[0][seed][stem];
  const change = group ? ` (${dice >= before ? "+" : "−"}${(100 * Math.abs(dice - before)).toFixed(1)} points)` : "";
  const text = `Dice ${dice.toFixed(3)}${change}`;
  const canvas = element("canvas", { role: "img", ariaLabel: `${data.stems[stem]}: ${text}` });
  const masks = {
    truth: data.truths[stem],
    first: group ? data.masks[0][seed][stem] : null,
    predicted: data.masks[group][seed][stem],
  };
  const photograph = new Image();
  photograph.onload = () => paint(canvas, photograph, data, masks, data.uncounted[stem], outlines, names);
  photograph.src = data.photographs[stem];
  const item = element("li", {});
  item.append(canvas, element("b", { textContent: text }), element("span", { textContent: data.stems[stem] }));
  return item;
}

function paint(canvas, photograph, { side }, masks, uncounted, outlines, names) {
  // Whole pixels of the screen for each of the mask, so that outlines are sharp.
  const scale = Math.max(2, Math.ceil(360 / side));
  canvas.width = canvas.height = scale * side;
  const context = canvas.getContext("2d");
  context.drawImage(photograph, 0, 0, canvas.width, canvas.height);
  const style = getComputedStyle(canvas);
  if (uncounted) outline(context, pixels(uncounted, side), side, scale, "#fefefe", [3, 3]);
  for (const name of Object.keys(names)) {
    if (outlines[name] && masks[name]) outline(context, pixels(masks[name], side), side, scale, style.getPropertyValue(`--${name}`), []);
  }
}

// The mask that runs of lengths in base 36 stand for, row by row, background first.
function pixels(lengths, side) {
  const mask = new Uint8Array(side * side);
  let at = 0;
  lengths.split(" ").forEach((text, run) => {
    const length = parseInt(text, 36);
    if (run % 2) mask.fill(1, at, at + length);
    at += length;
  });
  return mask;
}

function outline(context, mask, side, scale, colour, dash) {
  const path = new Path2D();
  const inside = (x, y) => x >= 0 && y >= 0 && x < side && y < side && mask[y * side + x];
  for (let y = 0; y < side; y += 1) {
    for (let x = 0; x < side; x += 1) {
      if (!inside(x, y)) continue;
      const [left, top, right, bottom] = [x * scale, y * scale, (x + 1) * scale, (y + 1) * scale];
      if (!inside(x - 1, y)) { path.moveTo(left, top); path.lineTo(left, bottom); }
      if (!inside(x + 1, y)) { path.moveTo(right, top); path.lineTo(right, bottom); }
      if (!inside(x, y - 1)) { path.moveTo(left, top); path.lineTo(right, top); }
      if (!inside(x, y + 1)) { path.moveTo(left, bottom); path.lineTo(right, bottom); }
    }
  }
  context.setLineDash(dash);
  context.lineCap = "square";
  context.strokeStyle = "rgb(0 0 0 / 45%)";
  context.lineWidth = 6;
  context.stroke(path);
  context.strokeStyle = colour;
  context.lineWidth = 3;
  context.stroke(path);
}

function choice(bar, name, values, chosen) {
  const select = element("select", {});
  select.append(...values.map((text) => element("option", { textContent: text, value: text })));
  select.selectedIndex = chosen;
  const label = element("label", { textContent: `${name} ` });
  label.append(select);
  bar.append(label);
  return select;
}
