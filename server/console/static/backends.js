// One column per backend; all alike.

import { Chart, roundTop } from "./charts.js";
import { away } from "./keep.js";
import { gibibytes, number, percent, say, seconds } from "./format.js";

const WORKING = new Set(["starting", "loading", "compiling", "warming", "verifying"]);
const place = document.getElementById("backends");
const announcer = document.getElementById("announcer");
const columns = new Map();

const CHARTS = {
  throughput: ["images_per_s"],
  latency: ["p50_ms", "p99_ms"],
  queue: ["queue_ms"],
  gpu_memory: ["gpu_memory"],
};

export const kindOf = (state) => (WORKING.has(state) ? "working" : state);

class Column {
  constructor(name, backend) {
    this.name = name;
    this.element = document.getElementById("backend").content.firstElementChild.cloneNode(true);
    this.element.id = `backend-${name}`;
    const heading = this.field("title");
    heading.id = `backend-${name}-title`;
    this.element.setAttribute("aria-labelledby", heading.id);
    say(heading, backend.title);
    const ports = [`HTTP ${backend.http_port}`];
    if (backend.grpc_port) ports.push(`gRPC ${backend.grpc_port}`);
    if (backend.metrics_port !== backend.http_port) ports.push(`metrics ${backend.metrics_port}`);
    say(this.field("ports"), ports.join(" · "));
    this.waiting = "";
    this.kind = "";
    this.charts = {
      throughput: new Chart("Throughput", [{ column: "images_per_s" }], (now) => (now === null ? "–" : `${number(now)} images/s`), "images/s"),
      latency: new Chart("Latency, 1 min", [{ column: "p50_ms" }, { column: "p99_ms" }],
        (p50, p99) => (p50 === null ? "no requests" : `p50 ${number(p50)} · p99 ${number(p99)} ms`), "ms"),
      queue: new Chart("Queue, mean wait", [{ column: "queue_ms" }], (now) => `${now === null ? "–" : `${number(now)} ms`}${this.waiting}`, "ms"),
      gpu_memory: new Chart("GPU memory", [{ column: "gpu_memory" }], gibibytes, ""),
    };
    this.part("charts").append(...Object.values(this.charts).map((chart) => chart.element));
    place.append(this.element);
  }

  field(name) {
    return this.element.querySelector(`[data-field="${name}"]`);
  }

  part(name) {
    return this.element.querySelector(`[data-part="${name}"]`);
  }

  show(backend, { model, kept }) {
    const absent = backend ? null : away(this.name, kept);
    const state = backend?.state ?? absent ?? "not reported yet";
    if (this.state && this.state !== state) say(announcer, `${this.name}: ${state}`);
    this.state = state;
    const kind = absent ? "skipped" : kindOf(state);
    this.element.dataset.state = kind;
    say(this.field("state"), state);
    say(this.field("detail"), backend ? detail(backend) : "");
    say(this.field("reason"), backend?.reason ?? "");
    const working = kind === "working";
    this.part("progress").hidden = !working;
    if (working) this.#progress(backend);
    say(this.field("precision"), model.precision ? model.precision.toUpperCase() : "–");
    say(this.field("batch_limit"), model.max_batch_size ? String(model.max_batch_size) : "–");
    say(this.field("parity"), parity(backend?.parity));
    this.element.querySelector(".facts-list").hidden = kind === "skipped";
    this.part("charts").hidden = kind === "skipped";
  }

  draw(history, tops, span, gap) {
    const own = history.backends[this.name];
    const notes = history.notes?.[this.name] ?? {};
    const waiting = own?.waiting?.at(-1);
    this.waiting = waiting ? ` · ${Math.round(waiting)} ${waiting === 1 ? notes.waiting.slice(0, -1) : notes.waiting} in it` : "";
    for (const [key, chart] of Object.entries(this.charts)) chart.draw(history.at, own, tops[key], span, gap);
    this.charts.gpu_memory.element.hidden = !own?.gpu_memory?.some((value) => value !== null);
  }

  #progress(backend) {
    const bar = this.element.querySelector("progress");
    const known = backend.state === "compiling" || backend.progress > 0;
    if (known) bar.value = backend.progress;
    else bar.removeAttribute("value");
    const words = [backend.phase, known ? percent(backend.progress) : null];
    if (backend.remaining_s !== null && backend.remaining_s !== undefined) words.push(`about ${seconds(backend.remaining_s)} left`);
    say(this.field("progress"), words.filter(Boolean).join(" · "));
  }
}

export function showBackends(answer) {
  for (const [name, backend] of Object.entries(answer.backends)) {
    if (!columns.has(name)) columns.set(name, new Column(name, backend));
    columns.get(name).show(answer.ready.backends[name], answer.ready);
  }
}

export function drawBackends(history, span, gap) {
  const all = Object.values(history.backends);
  const values = (names) => all.flatMap((one) => names.flatMap((name) => one[name] ?? []));
  const tops = Object.fromEntries(Object.entries(CHARTS).map(([key, names]) =>
    [key, key === "gpu_memory" ? Math.max(2 ** 30, ...values(names)) : roundTop(values(names), key === "queue" ? 0.1 : 1)]));
  for (const column of columns.values()) column.draw(history, tops, span, gap);
}

export function markStale(stale) {
  for (const column of columns.values()) column.element.toggleAttribute("data-stale", stale);
}

function detail(backend) {
  if (backend.state === "ready") return `after ${seconds(backend.elapsed_s)}, for ${seconds(backend.state_s ?? 0)}`;
  if (backend.state === "failed") return backend.required ? "for " + seconds(backend.state_s ?? 0) : "not required";
  return WORKING.has(backend.state) ? `for ${seconds(backend.state_s ?? 0)}` : "";
}

function parity(found) {
  if (!found) return "not verified yet";
  const worst = Object.values(found).reduce((a, b) => (a.error / a.error_bound > b.error / b.error_bound ? a : b));
  return `${number(worst.error)} of ${worst.error_bound}`;
}

