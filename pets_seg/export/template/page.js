// Takes photographs, has the worker segment them one after another, and shows what it found.
const about = JSON.parse(document.getElementById("about").textContent);
const [status, results] = [document.getElementById("status"), document.getElementById("results")];
const [cards, opacity, scale] = [results.querySelector(".cards"), document.getElementById("opacity"), results.querySelector(".scale")];
// Of the confidence map, from undecided to certain.
const STOPS = [[252, 233, 79], [240, 120, 60], [150, 45, 110], [40, 20, 70]];
// By view, in percent; the others have none.
const strengths = { ...about.strengths };
const VIEWS = { mask: "the mask over the photograph", cutout: "the cut-out", confidence: "the confidence map", photo: "the photograph" };
const queue = [];
const cardOfItem = new WeakMap();
// Only cards in sight are drawn, others when they come near it.
const near = new Set();
const seen = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) near.add(target);
    else near.delete(target);
    if (isIntersecting) draw(cardOfItem.get(target));
  }
}, { rootMargin: "400px" });
let busy = false;
let worker = null;
let ready = null;

if (location.protocol === "file:") {
  say("This page was opened as a file, from which browsers load no network: serve its folder, e.g. by python -m http.server, and open the address that it prints.", true);
  for (const element of document.querySelectorAll("input, button")) element.disabled = true;
} else {
  start();
}

function start() {
  document.getElementById("files").addEventListener("change", (event) => {
    take([...event.target.files]);
    // So that the same one can be chosen again.
    event.target.value = "";
  });
  const holdsFiles = (event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragover", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    document.body.classList.add("over");
  });
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) document.body.classList.remove("over"); });
  addEventListener("drop", (event) => {
    document.body.classList.remove("over");
    if (!holdsFiles(event)) return;
    event.preventDefault();
    take([...event.dataTransfer.files]);
  });
  addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length) take(files);
    else say("What was pasted holds no picture; copy one, or choose a file.", true);
  });
  for (const button of document.querySelectorAll("[data-sample]")) button.addEventListener("click", () => takeSample(button));
  for (const radio of document.querySelectorAll("[name=view]")) radio.addEventListener("change", showAll);
  opacity.addEventListener("input", () => {
    strengths[chosen().view] = Number(opacity.value);
    showAll();
  });
  document.getElementById("clear").addEventListener("click", clear);
  addEventListener("beforeprint", () => cards.querySelectorAll("[data-state=done]").forEach((item) => draw(cardOfItem.get(item))));
  scale.querySelector("i").style.background = `linear-gradient(to right, ${STOPS.map((stop) => `rgb(${stop})`).join(", ")})`;
  showAll();
  load();
}

function say(text, wrong = false) {
  status.textContent = text;
  status.classList.toggle("wrong", wrong);
}

// A worker of its own, since one whose memory ran out is of no more use.
function load() {
  worker?.end();
  worker = asker();
  const megabytes = about.models.reduce((sum, model) => sum + model.megabytes, about.megabytes);
  say(`Loading the network and what runs it: ${megabytes.toFixed(1)} MB, less if compressed …`);
  ready = worker.ask("load", { about }).then(({ threads, altered }) => {
    say(`Ready, on ${threads === 1 ? "one thread" : `${threads} threads`}.`);
    if (altered) say("This browser changes the pixels that a page reads, so that masks would be wrong; allow this page to read canvases.", true);
  });
  ready.catch((error) => say(`The network could not be loaded (${error.message}); reload the page.`, true));
}

// A worker whose answers are awaited.
function asker() {
  const waiting = new Map();
  const thread = new Worker(new URL("worker.js", location.href), { type: "module" });
  const fail = (text) => {
    for (const { reject } of waiting.values()) reject(new Error(text));
    waiting.clear();
  };
  let count = 0;
  thread.onmessage = ({ data: { number, found, problem, name } }) => {
    const asked = waiting.get(number);
    waiting.delete(number);
    if (problem === undefined) asked?.resolve(found);
    else asked?.reject(Object.assign(new Error(problem), { name }));
  };
  thread.onerror = (event) => { event.preventDefault(); fail(event.message || "what runs it could not be read"); };
  return {
    ask: (what, given) => new Promise((resolve, reject) => {
      count += 1;
      waiting.set(count, { resolve, reject });
      thread.postMessage({ number: count, what, ...given });
    }),
    end: () => { thread.terminate(); fail("it was interrupted"); },
  };
}

async function takeSample(button) {
  const name = button.dataset.sample;
  try {
    const answer = await fetch(name);
    if (!answer.ok) throw new Error(`${answer.status}`);
    take([new File([await answer.blob()], name.split("/").pop(), { type: "image/jpeg" })]);
  } catch (error) {
    say(`The sample could not be loaded (${error.message}).`, true);
  }
}

// Puts cards of photographs above the others, in their order, and begins with them.
function take(files) {
  if (!files.length) return;
  results.hidden = false;
  const made = files.map((file) => cardOf(file));
  cards.prepend(...made.map(({ item }) => item));
  queue.push(...made);
  work();
}

async function work() {
  if (busy) return;
  busy = true;
  let [done, failed] = [0, 0];
  while (queue.length) {
    const card = queue.shift();
    if (!card.item.isConnected) continue;
    say(`Segmenting ${card.file.name}${queue.length ? `; ${queue.length} more to go` : ""} …`);
    try {
      await segment(card);
      done += 1;
    } catch (error) {
      failed += 1;
      card.item.dataset.state = "failed";
      card.note.textContent = error.message;
      card.note.className = "wrong";
    }
  }
  busy = false;
  const count = (number, what) => `${number} ${what}${number === 1 ? "" : "s"}`;
  if (failed) say(`${count(failed, "file")} could not be used${done ? `, ${done} segmented` : ""}; the reason is below the name.`, true);
  else if (done) say(`Done: ${count(done, "photograph")}.`);
}

async function segment(card) {
  await ready.catch((error) => { throw new Error(`not segmented, since the network could not be loaded (${error.message})`); });
  await refuse(card.file);
  card.note.textContent = "being segmented …";
  try {
    Object.assign(card, await worker.ask("segment", { file: card.file }));
  } catch (error) {
    // What decoders say is not for readers.
    if (error.name === "InvalidStateError") throw new Error(unreadable(card.file));
    load();
    throw new Error(`could not be segmented (${error.message}); a smaller picture may take less memory`);
  }
  if (card.item.isConnected) fill(card);
}

// Throws a sentence on a file that is no picture, or one of too many pixels, which is not decoded.
async function refuse(file) {
  if (!file.size) throw new Error("is empty, or a folder; choose a photograph.");
  if (file.type && !file.type.startsWith("image/")) throw new Error("is not a picture; choose a JPEG, PNG or WebP file.");
  const address = URL.createObjectURL(file);
  const image = new Image();
  try {
    await new Promise((resolve, reject) => {
      image.onload = resolve;
      image.onerror = () => reject(new Error(unreadable(file)));
      image.src = address;
    });
    const { naturalWidth: width, naturalHeight: height } = image;
    if (!width || !height) throw new Error(unreadable(file));
    const megapixels = (width * height) / 1e6;
    if (megapixels > about.megapixels) {
      throw new Error(`has ${megapixels.toFixed(megapixels < 100 ? 1 : 0)} megapixels (${width} × ${height}), and at most ${about.megapixels} are taken; make it smaller.`);
    }
  } finally {
    URL.revokeObjectURL(address);
  }
}

function unreadable(file) {
  const kind = /\.hei[cf]$/i.test(file.name) ? "; most browsers cannot read HEIC: save it as JPEG" : "; it is damaged, or of a type that this browser cannot show; save it as JPEG or PNG";
  return `cannot be read as a picture${kind}.`;
}

function cardOf(file) {
  const item = element("li", { className: "card" });
  const head = element("header", {});
  const name = element("h3", {});
  // The name is a stranger's: it is shown as text, in its own direction.
  name.append(element("bdi", { textContent: file.name }));
  const remove = element("button", { type: "button", textContent: "×", ariaLabel: `Remove ${file.name}`, title: "Remove" });
  const note = element("p", { className: "facts", textContent: "waiting …" });
  head.append(name, remove);
  item.append(head, note);
  const card = { file, item, note };
  remove.addEventListener("click", () => {
    const next = item.nextElementSibling ?? item.previousElementSibling;
    item.remove();
    results.hidden = !cards.children.length;
    (next?.querySelector("header button") ?? document.getElementById("files")).focus();
  });
  return card;
}

// Shows a segmented photograph: a column a model.
function fill(card) {
  card.note.textContent = `${card.width} × ${card.height} pixels, read in ${card.reading.toFixed(0)} ms`;
  const columns = element("div", { className: "models" });
  card.columns = card.results.map((found, index) => {
    const column = element("div", {});
    if (about.models.length > 1) column.append(element("h4", { textContent: about.models[index].name }));
    const canvas = element("canvas", { width: card.photo.width, height: card.photo.height, role: "img" });
    const share = `${(100 * found.share).toFixed(1)} % pet`;
    const facts = element("p", { className: "facts", textContent: `${share}, confidence ${found.confidence.toFixed(3)}, computed in ${found.milliseconds.toFixed(0)} ms` });
    const buttons = element("div", { className: "buttons" });
    const ending = index ? "_beside" : "";
    buttons.append(
      download("Download cut-out", card, `_cutout${ending}.png`, () => worker.ask("cutout", { file: card.file, levels: found.levels })),
      download("Download mask", card, `_mask${ending}.png`, () => worker.ask("mask", { levels: found.levels, width: card.width, height: card.height })),
    );
    column.append(canvas, facts, buttons);
    columns.append(column);
    return { canvas, share, levels: found.small };
  });
  card.item.append(columns);
  card.item.dataset.state = "done";
  cardOfItem.set(card.item, card);
  seen.observe(card.item);
}

function download(text, card, ending, make) {
  const button = element("button", { type: "button", textContent: text });
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      await ready;
      const { blob } = await make();
      const link = element("a", { href: URL.createObjectURL(blob), download: card.file.name.replace(/\.[^.]+$/, "") + ending });
      link.click();
      // The browser may still be asking where to.
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    } catch (error) {
      say(`${card.file.name}: the file could not be made (${error.message}).`, true);
    }
    button.disabled = false;
    button.focus();
  });
  return button;
}

function clear() {
  queue.length = 0;
  cards.replaceChildren();
  results.hidden = true;
  say("All were removed.");
  document.getElementById("files").focus();
}

function showAll() {
  const { view } = chosen();
  opacity.disabled = !(view in strengths);
  opacity.value = strengths[view] ?? opacity.value;
  opacity.nextElementSibling.value = `${opacity.value} %`;
  scale.hidden = view !== "confidence";
  for (const item of near) {
    if (item.isConnected) draw(cardOfItem.get(item));
    else near.delete(item);
  }
}

function chosen() {
  const view = document.querySelector("[name=view]:checked").value;
  return { view, strength: strengths[view] / 100 };
}

function draw(card) {
  const { view, strength } = chosen();
  // Scrolling alone changes nothing.
  const state = `${view} ${strength}`;
  if (card.shows === state) return;
  card.shows = state;
  for (const { canvas, share, levels } of card.columns) {
    const { width, height } = canvas;
    const context = canvas.getContext("2d");
    canvas.classList.toggle("see-through", view === "cutout");
    canvas.setAttribute("aria-label", `${card.file.name}: ${VIEWS[view]}, ${share}`);
    context.globalCompositeOperation = "copy";
    context.drawImage(card.photo, 0, 0);
    if (view === "photo") continue;
    context.globalCompositeOperation = view === "cutout" ? "destination-in" : "source-over";
    context.drawImage(layer(view, levels, width, height, strength), 0, 0);
  }
}

// What is laid over a photograph: of each level a colour, and outlines of the mask.
function layer(view, levels, width, height, strength) {
  const image = new ImageData(width, height);
  const words = new Uint32Array(image.data.buffer);
  const colours = palette(view, strength);
  for (let at = 0; at < levels.length; at += 1) words[at] = colours[levels[at]];
  if (view === "mask") outline(words, levels, width, height);
  const scratch = new OffscreenCanvas(width, height);
  scratch.getContext("2d").putImageData(image, 0, 0);
  return scratch;
}

function palette(view, strength) {
  return Uint32Array.from({ length: 256 }, (_, level) => {
    if (view === "cutout") return word([0, 0, 0], about.alpha[level]);
    if (view === "mask") return level > 127 ? word(about.tint, 255 * strength) : 0;
    const probability = level / 255;
    return word(ofScale(2 * Math.max(probability, 1 - probability) - 1), 255 * strength);
  });
}

// The colour of the confidence map at a place from 0, undecided, to 1, certain.
function ofScale(place) {
  const at = Math.max(0, Math.min(place, 1)) * (STOPS.length - 1);
  const index = Math.min(Math.floor(at), STOPS.length - 2);
  return STOPS[index].map((value, part) => value + (at - index) * (STOPS[index + 1][part] - value));
}

function word([red, green, blue], alpha) {
  const [a, b, g, r] = [alpha, blue, green, red].map(Math.round);
  return ((a << 24) | (b << 16) | (g << 8) | r) >>> 0;
}

function outline(words, levels, width, height) {
  const colour = word(about.line, 255);
  const reach = Math.max(1, Math.round(Math.max(width, height) / 400));
  const outside = (x, y) => x < 0 || y < 0 || x >= width || y >= height ? false : levels[y * width + x] < 128;
  for (let y = 0, at = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1, at += 1) {
      if (levels[at] < 128) continue;
      if (outside(x - reach, y) || outside(x + reach, y) || outside(x, y - reach) || outside(x, y + reach)) words[at] = colour;
    }
  }
}

function element(tag, properties) {
  const made = document.createElement(tag);
  return Object.assign(made, properties);
}
