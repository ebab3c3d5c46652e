// Photos through every backend, and what their embeddings say.

import { ask, problem } from "./api.js";
import { make, number, say } from "./format.js";

const ALIKE = 0.999; // the cosine that the gate asks for
const STAGES = { queue: "queue", prepare: "decode, resize", compute: "model", rest: "HTTP and the rest" };
const NUMBERS = 4;
const drop = document.getElementById("drop");
const results = document.getElementById("results");
const message = document.getElementById("try-message");
const input = document.getElementById("files");
let photos = []; // at most two: {name, url, sample, backends}
let threshold = 0.95;
let largest = 256;
let meaningful = true;
let last = Promise.resolve();

let samples = new Map(); // buttons by the photo's name

function sample(name) {
  const words = name.replace(".jpg", "").replaceAll("-", " ");
  const image = make("img", { src: `page/thumbnails/${name}`, alt: words, width: 76, height: 57 });
  const button = make("button", { type: "button", title: words, "aria-pressed": "false" }, image);
  button.addEventListener("click", async () => {
    if (photos.some((photo) => photo.sample === name)) return remove(name);
    const answer = await fetch(`page/photos/${name}`);
    add([{ name, sample: name, file: await answer.blob() }]);
  });
  return button;
}

input.addEventListener("change", () => { add(named(input.files)); input.value = ""; });
for (const kind of ["dragenter", "dragover"]) {
  drop.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
}
for (const kind of ["dragleave", "drop"]) drop.addEventListener(kind, () => drop.classList.remove("over"));
drop.addEventListener("drop", (event) => { event.preventDefault(); add(named(event.dataTransfer.files)); });

export function showTrial(answer) {
  largest = answer.max_body_mb;
  meaningful = answer.ready.model.embeddings_meaningful !== false;
  if (samples.size) return;
  samples = new Map(answer.samples.map((name) => [name, sample(name)]));
  document.getElementById("samples").append(...[...samples.values()].map((button) => make("li", {}, button)));
}

const named = (files) => [...files].slice(0, 2).map((file) => ({ name: file.name, file }));

function add(found) {
  for (const photo of found) {
    photo.url = URL.createObjectURL(photo.file);
    photos = [...photos, photo].slice(-2);
    last = last.then(() => embed(photo)); // one after the other, so that none slows another down
  }
  render();
}

function remove(name) {
  photos = photos.filter((photo) => photo.sample !== name);
  render();
}

async function embed(photo) {
  if (photo.file.size > largest * 2 ** 20) return fail(photo, `${photo.name} is larger than ${largest} MiB (MAX_BODY_MB)`);
  complain(`embedding ${photo.name} …`, false);
  try {
    const answer = await ask("try", { method: "POST", body: photo.file, headers: { "Content-Type": "application/octet-stream" } });
    if (!answer.ok) return fail(photo, await problem(answer));
    photo.backends = (await answer.json()).backends;
    complain("", false);
  } catch {
    return fail(photo, "port 8002 does not answer");
  }
  render();
}

function fail(photo, words) {
  photos = photos.filter((one) => one !== photo);
  complain(words, true);
  render();
}

function complain(words, bad) {
  message.classList.toggle("bad", bad);
  say(message, words);
}

function render() {
  for (const [name, button] of samples) {
    button.setAttribute("aria-pressed", String(photos.some((photo) => photo.sample === name)));
  }
  results.replaceChildren(...photos.filter((photo) => photo.backends).map(show));
  if (photos.length === 2 && photos.every((photo) => photo.backends)) results.append(compare(...photos));
}

function show(photo) {
  const known = Object.entries(photo.backends);
  const good = known.filter(([, found]) => !found.error);
  const longest = Math.max(...good.map(([, found]) => found.total_ms));
  const heads = ["backend", "time", "where it went", ...Object.values(STAGES), `first ${NUMBERS} of 512 numbers`];
  const rows = known.map(([name, found]) => {
    const cells = [make("th", { scope: "row" }, name)];
    if (found.error) cells.push(make("td", { colSpan: heads.length - 1 }, found.error));
    else cells.push(...figures(found, longest));
    return make("tr", {}, ...cells);
  });
  const table = make("table", { "aria-label": `${photo.name} by backend` },
    make("thead", {}, make("tr", {}, ...heads.map((head, index) => {
      const cell = make("th", { scope: "col", className: index === 1 || (index > 2 && index < 7) ? "n" : "" });
      const stage = Object.keys(STAGES)[index - 3];
      if (stage) cell.append(make("span", { className: "key" }, make("span", {}, make("i", { className: stage }), head)));
      else cell.append(head);
      return cell;
    }))),
    make("tbody", {}, ...rows));
  const image = make("img", { src: photo.url, alt: photo.name });
  return make("div", { className: "photo" }, make("div", {}, image),
    make("div", {},
      make("p", { className: "caption" }, `${photo.name}: milliseconds of one request, from port 8002 to the answer`),
      make("div", { className: "scroll", tabIndex: 0, role: "region", "aria-label": `${photo.name}: times` }, table),
      agreement(good)));
}

function figures(found, longest) {
  const split = found.split ?? { queue_ms: 0, prepare_ms: 0, compute_ms: 0 };
  const parts = { queue: split.queue_ms, prepare: split.prepare_ms, compute: split.compute_ms };
  parts.rest = Math.max(0, found.total_ms - parts.queue - parts.prepare - parts.compute);
  const bar = make("div", { className: "split", "aria-hidden": "true" }, ...Object.entries(parts).map(([stage, ms]) => {
    const part = make("i", { className: stage });
    part.style.width = `${(100 * ms) / longest}%`;
    return part;
  }));
  return [
    make("td", { className: "n" }, number(found.total_ms)),
    make("td", {}, bar),
    ...Object.values(parts).map((ms) => make("td", { className: "n" }, number(ms))),
    make("td", { className: "numbers" }, found.embedding.slice(0, NUMBERS).map((value) => value.toFixed(5)).join("  ")),
  ];
}

function agreement(good) {
  const pairs = good.flatMap(([first, a], index) => good.slice(index + 1).map(([second, b]) => ({
    names: `${first} and ${second}`,
    cosine: dot(a.embedding, b.embedding),
    error: Math.max(...a.embedding.map((value, at) => Math.abs(value - b.embedding[at]))),
  })));
  if (!pairs.length) return make("p", { className: "message" }, "Only one backend answered, so there is nothing to compare.");
  const worst = pairs.reduce((a, b) => (a.error > b.error ? a : b));
  const cosine = Math.min(...pairs.map((pair) => pair.cosine));
  const words = `cosine ${pairs.length > 1 ? "at least " : ""}${cosine.toFixed(6)}, largest difference of a number ${number(worst.error)} (${worst.names})`;
  return make("p", { className: cosine >= ALIKE ? "message" : "message bad" }, `The backends ${cosine >= ALIKE ? "agree" : "disagree"}: ${words}.`);
}

function compare(first, second) {
  const names = Object.keys(first.backends).filter((name) => !first.backends[name].error && second.backends[name] && !second.backends[name].error);
  const similar = names.map((name) => [name, dot(first.backends[name].embedding, second.backends[name].embedding)]);
  const sentence = make("p", { className: "sentence", role: "status" });
  const output = make("output", {});
  const slider = make("input", { type: "range", min: "0.5", max: "1", step: "0.005", value: String(threshold) });
  const update = () => {
    threshold = Number(slider.value);
    say(output, threshold.toFixed(3));
    say(sentence, verdict(first, second, similar.map(([, value]) => value)));
  };
  slider.addEventListener("input", update);
  update();
  const each = similar.map(([name, value]) => `${name} ${value.toFixed(4)}`).join(", ");
  return make("div", { className: "pair" }, sentence,
    make("label", {}, "Near-duplicate from a cosine of", slider, output),
    make("p", { className: "message" }, `Cosine by backend: ${each}.`));
}

function verdict(first, second, values) {
  if (!values.length) return "No backend has embedded both photos.";
  const near = values.filter((value) => value >= threshold).length;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const pair = `${first.name} and ${second.name}`;
  const tail = `(cosine ${mean.toFixed(3)}, threshold ${threshold.toFixed(3)})`;
  const words = near === values.length ? `${pair} are near-duplicates ${tail}.`
    : near === 0 ? `${pair} are different photos ${tail}.`
      : `The backends disagree about ${pair} at this threshold ${tail}.`;
  return meaningful ? words : `${words} The weights are random, so this means nothing.`;
}

const dot = (a, b) => a.reduce((sum, value, at) => sum + value * b[at], 0);
