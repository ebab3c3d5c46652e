// How long each backend spent in each state of this start.

import { make, say, seconds } from "./format.js";

const SETTLED = new Set(["ready", "skipped", "failed"]);
const place = document.getElementById("startup");
let shown = "";

export function showTimeline(answer) {
  const rows = Object.entries(answer.ready.backends).map(([name, backend]) => [name, backend.state, parts(backend)]);
  const key = JSON.stringify(rows);
  if (key === shown) return;
  shown = key;
  const longest = Math.max(1, ...rows.map(([, , found]) => found.reduce((sum, part) => sum + part.took, 0)));
  place.replaceChildren(make("div", { className: "timeline" }, ...rows.flatMap(([name, state, found]) => {
    const bar = make("div", { className: "bar", "aria-hidden": "true" }, ...found.map((part, index) => {
      const share = (100 * part.took) / longest;
      const element = make("div", { className: "part" }, make("span", {}, share > 9 ? part.state : ""));
      element.style.width = `${share}%`;
      element.dataset.shade = index % 2;
      element.toggleAttribute("data-current", part.current);
      return element;
    }));
    const words = found.map((part) => `${part.state} ${seconds(part.took)}`).concat(SETTLED.has(state) ? [state] : []);
    return [make("strong", {}, name), bar, make("p", { className: "words" }, words.join(" · "))];
  })));
  if (!rows.length) say(place, "The readiness gate has not reported yet.");
}

function parts(backend) {
  const found = Object.entries(backend.timings_s).map(([state, took]) => ({ state, took, current: false }));
  if (!SETTLED.has(backend.state)) found.push({ state: backend.state, took: backend.state_s ?? 0, current: true });
  return found;
}
