// Small line charts over the last minutes.

import { make, say } from "./format.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 300;
const HEIGHT = 46;
const ROOM = 0.86; // of the height, so that the upper end's label is free

export class Chart {
  // lines: [{column, name}]; the second is dashed. words(values): what is shown as the value now.
  constructor(label, lines, words, unit) {
    this.label = label;
    this.lines = lines;
    this.words = words;
    this.unit = unit;
    this.value = make("span", { className: "value" });
    this.top = make("span", { className: "top", "aria-hidden": "true" });
    this.svg = document.createElementNS(SVG, "svg");
    this.svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    this.svg.setAttribute("preserveAspectRatio", "none");
    this.svg.setAttribute("role", "img");
    const guide = document.createElementNS(SVG, "line");
    for (const [name, value] of Object.entries({ x1: 0, x2: WIDTH, y1: HEIGHT * (1 - ROOM), y2: HEIGHT * (1 - ROOM) })) {
      guide.setAttribute(name, value);
    }
    this.svg.append(guide);
    this.area = this.#path("area");
    this.paths = lines.map((_, index) => this.#path(index ? "second" : "first"));
    this.element = make("figure", {},
      make("figcaption", {}, make("span", {}, label), this.value),
      make("div", { className: "plot" }, this.svg, this.top));
  }

  // columns: the history's columns; top: the upper end, shared by charts that stand side by side.
  draw(at, columns, top, span, gap) {
    const now = at.length ? at[at.length - 1] : 0;
    const place = (value, moment) => [
      WIDTH * (1 - (now - moment) / span), HEIGHT - HEIGHT * ROOM * Math.min(value / top, 1)];
    const values = this.lines.map((line) => columns?.[line.column] ?? []);
    values.forEach((column, index) => this.paths[index].setAttribute("d", this.#line(at, column, place, gap)));
    this.area.setAttribute("d", this.lines.length === 1 ? this.#area(at, values[0], place, gap) : "");
    const last = values.map((column) => column[column.length - 1] ?? null);
    say(this.value, this.words(...last));
    const known = values[0].filter((value) => value !== null);
    say(this.top, !known.length ? "" : this.unit === "%" ? "100 %" : short(top));
    const highest = known.length ? `, highest ${short(Math.max(...known) * (this.unit === "%" ? 100 : 1))} ${this.unit}` : "";
    this.svg.setAttribute("aria-label", `${this.label} over the last minutes: now ${this.words(...last)}${highest}`);
  }

  #path(name) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("class", name);
    this.svg.append(path);
    return path;
  }

  #runs(at, column, place, gap) {
    const runs = [];
    let run = null;
    column.forEach((value, index) => {
      if (value === null || (index && at[index] - at[index - 1] > gap)) run = null;
      if (value === null) return;
      if (!run) runs.push(run = []);
      run.push(place(value, at[index]).map((part) => part.toFixed(1)));
    });
    return runs;
  }

  #line(at, column, place, gap) {
    return this.#runs(at, column, place, gap)
      .map((run) => `M${(run.length > 1 ? run : [run[0], run[0]]).map((point) => point.join(" ")).join("L")}`).join("");
  }

  #area(at, column, place, gap) {
    return this.#runs(at, column, place, gap).filter((run) => run.length > 1)
      .map((run) => `M${run[0][0]} ${HEIGHT}L${run.map((point) => point.join(" ")).join("L")}L${run[run.length - 1][0]} ${HEIGHT}Z`)
      .join("");
  }
}

// The smallest of 1, 2, 5, 10, ... that is not below the largest value.
export function roundTop(values, least) {
  const largest = Math.max(least, ...values.filter((value) => value !== null && value !== undefined));
  const step = 10 ** Math.floor(Math.log10(largest));
  return [1, 2, 5, 10].map((factor) => factor * step).find((top) => top >= largest * 0.999);
}

function short(value) {
  if (value >= 2 ** 30) return `${Number((value / 2 ** 30).toPrecision(3))} GiB`;
  return Number(value.toPrecision(3)).toLocaleString("en");
}
