// The machine that all backends share.

import { Chart } from "./charts.js";
import { gibibytes, percent, say } from "./format.js";

const place = document.getElementById("machine");
const charts = {
  gpu: new Chart("GPU utilisation", [{ column: "gpu" }], percent, "%"),
  gpu_memory: new Chart("GPU memory", [{ column: "gpu_memory" }], gibibytes, ""),
  cpu: new Chart("Processors", [{ column: "cpu" }], percent, "%"),
  memory: new Chart("Memory", [{ column: "memory" }], gibibytes, ""),
};
place.append(...Object.values(charts).map((chart) => chart.element));

export function drawMachine(history, span, gap) {
  const facts = history.facts ?? {};
  const gpus = facts.gpus ?? [];
  const tops = {
    gpu: 1,
    gpu_memory: gpus.reduce((sum, gpu) => sum + gpu.memory, 0) || 1,
    cpu: 1,
    memory: facts.memory || 1,
  };
  for (const [name, chart] of Object.entries(charts)) {
    chart.element.hidden = name.startsWith("gpu") && !gpus.length;
    chart.draw(history.at, history.machine, tops[name], span, gap);
  }
  const names = gpus.length ? gpus.map((gpu) => gpu.name).join(", ") : "no NVIDIA GPU";
  say(document.getElementById("machine-facts"), facts.processors ? `${names} · ${facts.processors} processors for us` : "");
}
