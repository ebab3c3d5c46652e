// The button that runs the quick benchmark.

import { ask, guard, problem } from "./api.js";
import { make, say, seconds } from "./format.js";

const button = document.getElementById("run-benchmark");
const message = document.getElementById("benchmark-message");
const line = document.getElementById("benchmark-line");
let starting = false;
let refusal = "";

button.addEventListener("click", async () => {
  starting = true;
  button.disabled = true;
  const answer = await ask("benchmark", { method: "POST" });
  refusal = answer.ok ? "" : await problem(answer);
  starting = false;
  document.dispatchEvent(new Event("bakeoff-look"));
});

export function showBenchmark({ ready, benchmark, report }) {
  const running = benchmark.running || starting;
  button.disabled = running || !ready.ready;
  line.hidden = !benchmark.line;
  say(line, benchmark.line ?? "");
  message.classList.toggle("bad", Boolean(refusal) || (!running && benchmark.status > 0));
  if (benchmark.running) refusal = "";
  if (refusal) say(message, refusal);
  else if (benchmark.running) say(message, `running for ${seconds(Math.max(0, Date.now() / 1000 - benchmark.started))}`);
  else if (benchmark.status > 0) say(message, "It failed; its last line:");
  else if (benchmark.status === 0 && report) done(report);
  else say(message, ready.ready ? "" : "It needs every backend ready.");
}

function done(report) {
  if (message.querySelector("a")?.dataset.report === report) return;
  const link = make("a", { href: "report" }, "open its report");
  link.dataset.report = report;
  guard(link);
  message.replaceChildren("Done: ", link);
}
