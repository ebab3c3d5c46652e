// The buttons that leave one backend running, or have all back.

import { ask, problem } from "./api.js";
import { make, say } from "./format.js";

const place = document.getElementById("keep-buttons");
const kept = document.getElementById("kept");
const message = document.getElementById("keep-message");
const dialog = document.getElementById("keep-dialog");
const buttons = new Map();
const ALL = "all";
const WINNER = "winner";
const HARD = new Set(["skipped", "failed"]);
let names = [];
let choosing = false;

function button(choice, label) {
  const made = make("button", { type: "button", disabled: true }, label);
  made.addEventListener("click", () => confirm(choice));
  buttons.set(choice, made);
  place.append(made);
}

function confirm(choice) {
  const others = names.filter((name) => name !== choice).join(" and ");
  const words = choice === ALL ? ["Have all back?", "Those that do not run are started and verified, while the others go on."]
    : choice === WINNER ? ["Keep the winner of the last report?", "The others finish what they have accepted and are ended. The winner goes on without a gap."]
      : [`Keep only ${choice}?`, `${choice} goes on, or is started first. ${others} finish what they have accepted and are ended; their memory becomes free.`];
  say(document.getElementById("keep-question"), words[0]);
  say(document.getElementById("keep-what"), `${words[1]} The next start goes by it, too.`);
  dialog.dataset.choice = choice;
  dialog.returnValue = "";
  dialog.showModal();
}

dialog.addEventListener("close", async () => {
  if (dialog.returnValue !== "yes") return;
  choosing = true;
  for (const one of buttons.values()) one.disabled = true;
  const answer = await ask("keep", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ keep: dialog.dataset.choice }) });
  say(message, answer.ok ? "" : await problem(answer));
  choosing = false;
  document.dispatchEvent(new Event("bakeoff-look"));
});

export function showKeep({ backends, ready, report }) {
  names = Object.keys(backends);
  if (!buttons.size) {
    for (const name of names) button(name, `Keep ${name}`);
    button(WINNER, "Keep the report's winner");
    button(ALL, "Have all back");
  }
  const now = ready.kept && !ready.kept.outranked ? ready.kept : null;
  const busy = choosing || Boolean(now && !now.done);
  for (const [choice, one] of buttons) {
    const state = ready.backends[choice]?.state;
    const already = choice === ALL ? !now || now.backends.length === names.length : now?.backends.join() === choice;
    const unavailable = ready.kept?.unavailable?.[choice] ?? "";
    one.disabled = busy || already || HARD.has(state) || Boolean(unavailable) || names.length < 2;
    one.title = unavailable;
    one.hidden = choice === WINNER && !report;
  }
  say(kept, ready.kept ? sentence(ready.kept) : "");
}

function sentence(found) {
  if (found.outranked) return found.outranked;
  const because = [found.result ? `, because of ${found.result}` : "", found.sentence ? `: ${found.sentence}` : ""].join("");
  const still = [...found.ending.map((name) => `${name} is ending`), ...(found.waits_for ? [`waiting for ${found.waits_for}`] : [])];
  const words = `Kept: ${found.backends.join(", ")}, by ${found.by} on ${found.when.slice(0, 10)}${because}`;
  return [words.replace(/\.$/, ""), ...still].join("; ");
}

// What a column says of a backend that the readiness document does not name.
export function away(name, found) {
  if (!found || found.outranked || found.backends.includes(name)) return null;
  return found.ending.includes(name) ? "ending" : "not kept";
}
