// Asks the server how everything is, again and again, and shows it.

import { ask, guard, problem } from "./api.js";
import { drawBackends, kindOf, markStale, showBackends } from "./backends.js";
import { showBenchmark } from "./benchmark.js";
import { say } from "./format.js";
import { showKeep } from "./keep.js";
import { drawMachine } from "./machine.js";
import { showTimeline } from "./timeline.js";
import { showTrial } from "./try.js";

const STEADY_MS = 2000;
const HURRIED_MS = 1000;
const verdict = document.getElementById("verdict");
const notice = document.getElementById("notice");
const link = document.getElementById("report-link");
let history = { at: [], backends: {}, machine: {}, facts: {}, notes: {}, interval_s: 2, kept: 150 };
let timer = 0;
let wait = HURRIED_MS;

async function look() {
  clearTimeout(timer);
  try {
    const answer = await ask(`live?since=${history.at.at(-1) ?? 0}`);
    if (!answer.ok) throw new Error(await problem(answer));
    show(await answer.json());
  } catch (error) {
    unreachable(error);
  }
  if (!document.hidden) timer = setTimeout(look, wait);
}

function show(answer) {
  wait = answer.ready.ready && !answer.benchmark.running ? STEADY_MS : HURRIED_MS;
  keep(answer.history);
  showVerdict(answer.ready);
  showBackends(answer);
  const span = history.interval_s * history.kept;
  drawBackends(history, span, 3 * history.interval_s);
  drawMachine(history, span, 3 * history.interval_s);
  showTimeline(answer);
  showTrial(answer);
  showBenchmark(answer);
  showKeep(answer);
  link.hidden = !answer.report;
  link.title = answer.report ?? "";
  markStale(false);
  say(document.getElementById("updated"), `Seen at ${new Date().toLocaleTimeString("en-GB")}. Charts cover the last ${span / 60} minutes.`);
}

function showVerdict(document_) {
  const states = Object.values(document_.backends).map((backend) => backend.state);
  const failed = Object.entries(document_.backends).filter(([, backend]) => backend.state === "failed" && backend.required);
  const since = document_.since ? ` since ${new Date(document_.since).toLocaleTimeString("en-GB")}` : "";
  let words = `ready${since}`;
  let state = "ready";
  if (!document_.ready) {
    state = failed.length ? "failed" : states.length ? "working" : "unknown";
    const busy = Object.entries(document_.backends).filter(([, backend]) => kindOf(backend.state) === "working");
    const why = document_.note ?? (failed.length ? `${failed.map(([name]) => name).join(", ")} failed`
      : busy.map(([name, backend]) => `${name} is ${backend.state}`).join(", "));
    words = `not ready${why ? `: ${why}` : ""}`;
  }
  verdict.dataset.state = state;
  say(document.getElementById("verdict-text"), words);
  document.title = `${document_.ready ? "ready" : "not ready"} · clip-bakeoff`;
  const model = document_.model;
  say(document.getElementById("model"), model.architecture
    ? `OpenCLIP ${model.architecture} · weights ${model.pretrained} · ${model.precision.toUpperCase()} on ${model.device === "cuda" ? "the GPU" : "the CPU"} · ${model.dimension} numbers a photo`
    : "");
  notice.hidden = model.embeddings_meaningful !== false;
  say(notice, `Random weights: speeds are real, embeddings mean nothing${model.note ? `; ${model.note}` : ""}.`);
}

function unreachable(error) {
  wait = STEADY_MS;
  verdict.dataset.state = "failed";
  const words = error instanceof TypeError ? "port 8002 does not answer; asking again" : error.message;
  say(document.getElementById("verdict-text"), words);
  document.title = "no answer · clip-bakeoff";
  markStale(true);
}

// Adds the looks that are new to those known.
function keep(found) {
  if (!found.at) return;
  const join = (old, fresh, before) => [...(old ?? Array(before).fill(null)), ...fresh].slice(-found.kept);
  const before = history.at.length;
  const columns = (old, fresh) => Object.fromEntries(
    Object.entries(fresh).map(([name, values]) => [name, join(old?.[name], values, before)]));
  history = {
    ...found,
    at: join(history.at, found.at, before),
    machine: columns(history.machine, found.machine),
    backends: Object.fromEntries(Object.entries(found.backends).map(([name, own]) => [name, columns(history.backends[name], own)])),
  };
}

for (const guarded of document.querySelectorAll("[data-guarded]")) guard(guarded);
document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
document.addEventListener("bakeoff-look", look);
look();
