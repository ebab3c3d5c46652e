// Asking the server, with the key where it wants one.

import { say } from "./format.js";

const STORED = "bakeoff-key";
const dialog = document.getElementById("key-dialog");
const change = document.getElementById("change-key");
let asking = null;

// There is nothing to see without a key.
dialog.addEventListener("cancel", (event) => event.preventDefault());
change.addEventListener("click", () => askForKey(null));

// Paths are relative to the page, which may lie behind a prefix.
export async function ask(path, options = {}) {
  for (;;) {
    const key = sessionStorage.getItem(STORED);
    const headers = { ...options.headers, ...(key ? { Authorization: `Bearer ${key}` } : {}) };
    const answer = await fetch(path, { cache: "no-store", ...options, headers });
    if (answer.status !== 401) return answer;
    await askForKey(key);
  }
}

export async function problem(answer) {
  try {
    return (await answer.json()).error;
  } catch {
    return `the server answered ${answer.status}`;
  }
}

// A page that needs the key cannot be had by a plain link: it is fetched and shown from memory.
export function guard(link) {
  link.addEventListener("click", async (event) => {
    if (!sessionStorage.getItem(STORED)) return;
    event.preventDefault();
    const tab = window.open("", "_blank");
    const answer = await ask(link.getAttribute("href"));
    tab.location = URL.createObjectURL(await answer.blob());
  });
}

function askForKey(refused) {
  if (refused !== null && refused !== sessionStorage.getItem(STORED)) return Promise.resolve();
  asking ??= new Promise((done) => {
    if (refused) say(document.getElementById("key-heading"), "That key does not open this server");
    dialog.showModal();
    dialog.addEventListener("close", () => {
      const field = document.getElementById("key");
      sessionStorage.setItem(STORED, field.value.trim());
      field.value = "";
      change.hidden = false;
      asking = null;
      done();
    }, { once: true });
  });
  return asking;
}

change.hidden = !sessionStorage.getItem(STORED);
