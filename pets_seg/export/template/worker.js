// Reads photographs, runs the networks on them and makes files of the results, apart from the page, which stays awake.
import * as ort from "./ort.wasm.bundle.min.mjs";

// Browsers show no more of a result than this many pixels a side, and are shown no fewer.
const SMALLEST = 480;
const LARGEST = 1024;
let sessions = [];
let settings;

const does = { load, segment, cutout, mask };
onmessage = async ({ data: { number, what, ...given } }) => {
  try {
    const { transfer = [], ...found } = await does[what](given);
    postMessage({ number, found }, transfer);
  } catch (error) {
    postMessage({ number, problem: String(error?.message ?? error).split("\n")[0].slice(0, 300), name: error?.name });
  }
};

async function load({ about }) {
  settings = about;
  const threads = self.crossOriginIsolated ? Math.min(navigator.hardwareConcurrency || 1, 8) : 1;
  ort.env.wasm.numThreads = threads;
  ort.env.wasm.wasmPaths = { wasm: new URL("ort-wasm-simd-threaded.wasm", import.meta.url).href };
  ort.env.logLevel = "error";
  sessions = [];
  for (const { file } of about.models) sessions.push(await ort.InferenceSession.create(await content(file)));
  return { threads, altered: altersPixels() };
}

async function content(file) {
  const answer = await fetch(new URL(file, import.meta.url));
  if (!answer.ok) throw new Error(`${file}: ${answer.status} ${answer.statusText}`);
  return new Uint8Array(await answer.arrayBuffer());
}

// Some browsers change the pixels that a page reads, as a guard against being recognised.
function altersPixels() {
  const context = canvasOf(16, 16).getContext("2d");
  const drawn = new ImageData(16, 16);
  for (let at = 0; at < drawn.data.length; at += 1) drawn.data[at] = at % 4 === 3 ? 255 : at % 251;
  context.putImageData(drawn, 0, 0);
  return context.getImageData(0, 0, 16, 16).data.some((value, at) => Math.abs(value - drawn.data[at]) > 8);
}

async function segment({ file }) {
  const started = performance.now();
  const { pixels, width, height } = await read(file);
  const reading = performance.now() - started;
  const side = Math.min(Math.max(width, height, SMALLEST), LARGEST) / Math.max(width, height);
  const shown = { width: Math.max(1, Math.round(width * side)), height: Math.max(1, Math.round(height * side)) };
  const results = [];
  for (const session of sessions) {
    const begun = performance.now();
    const input = new ort.Tensor("uint8", pixels, [1, height, width, 3]);
    const { probability } = await session.run({ photo: input });
    const milliseconds = performance.now() - begun;
    const { levels, share, confidence } = inLevels(await probability.getData());
    probability.dispose();
    const small = reduced(levels, width, height, shown);
    results.push({ share, confidence, milliseconds, levels: new Blob([levels]), small });
  }
  const photo = await sized(await createImageBitmap(file, { imageOrientation: "from-image" }), shown);
  return { width, height, reading, photo, results, transfer: [photo, ...results.map(({ small }) => small.buffer)] };
}

// The pixels of a photograph, red, green and blue as they are in the file, turned as its orientation tag says.
async function read(file) {
  const bitmap = await createImageBitmap(file, { imageOrientation: "from-image", colorSpaceConversion: "none" });
  const { width, height } = bitmap;
  const context = canvasOf(width, height).getContext("2d", { alpha: false, willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const { data } = context.getImageData(0, 0, width, height);
  const pixels = new Uint8Array(3 * width * height);
  for (let from = 0, to = 0; from < data.length; from += 4, to += 3) {
    pixels[to] = data[from];
    pixels[to + 1] = data[from + 1];
    pixels[to + 2] = data[from + 2];
  }
  return { pixels, width, height };
}

// A byte a pixel: 255 times the probability, and 128 or more where it is above one half.
function inLevels(probabilities) {
  const levels = new Uint8Array(probabilities.length);
  let pet = 0;
  let chosen = 0;
  for (let at = 0; at < levels.length; at += 1) {
    const probability = probabilities[at];
    const is = probability > 0.5;
    levels[at] = is ? Math.round(255 * probability) : Math.min(127, Math.round(255 * probability));
    pet += is;
    chosen += is ? probability : 1 - probability;
  }
  return { levels, share: pet / levels.length, confidence: chosen / levels.length };
}

// Levels at another size, bilinear.
function reduced(levels, width, height, size) {
  const found = new Uint8Array(size.width * size.height);
  const [stepX, stepY] = [width / size.width, height / size.height];
  for (let y = 0, to = 0; y < size.height; y += 1) {
    const fromY = Math.min(Math.max((y + 0.5) * stepY - 0.5, 0), height - 1);
    const top = Math.floor(fromY);
    const down = fromY - top;
    const upper = top * width;
    const lower = Math.min(top + 1, height - 1) * width;
    for (let x = 0; x < size.width; x += 1, to += 1) {
      const fromX = Math.min(Math.max((x + 0.5) * stepX - 0.5, 0), width - 1);
      const left = Math.floor(fromX);
      const right = Math.min(left + 1, width - 1);
      const along = fromX - left;
      const above = levels[upper + left] * (1 - along) + levels[upper + right] * along;
      const below = levels[lower + left] * (1 - along) + levels[lower + right] * along;
      found[to] = Math.round(above * (1 - down) + below * down);
    }
  }
  return found;
}

async function sized(bitmap, { width, height }) {
  const found = await createImageBitmap(bitmap, { resizeWidth: width, resizeHeight: height, resizeQuality: "high" });
  bitmap.close();
  return found;
}

// The photograph at its own size, see-through where it is background; its colours as this browser shows them.
async function cutout({ file, levels }) {
  const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  const canvas = canvasOf(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const image = context.getImageData(0, 0, canvas.width, canvas.height);
  const bytes = new Uint8Array(await levels.arrayBuffer());
  const alpha = settings.alpha;
  for (let at = 0; at < bytes.length; at += 1) image.data[4 * at + 3] = Math.min(image.data[4 * at + 3], alpha[bytes[at]]);
  context.putImageData(image, 0, 0);
  return { blob: await canvas.convertToBlob({ type: "image/png" }) };
}

// The mask at the size of the photograph: white is pet.
async function mask({ levels, width, height }) {
  const bytes = new Uint8Array(await levels.arrayBuffer());
  const canvas = canvasOf(width, height);
  const image = new ImageData(width, height);
  const words = new Uint32Array(image.data.buffer);
  for (let at = 0; at < bytes.length; at += 1) words[at] = bytes[at] > 127 ? 0xffffffff : 0xff000000;
  canvas.getContext("2d").putImageData(image, 0, 0);
  return { blob: await canvas.convertToBlob({ type: "image/png" }) };
}

function canvasOf(width, height) {
  return new OffscreenCanvas(width, height);
}
