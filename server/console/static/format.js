// Numbers and words for people.

export function number(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  if (size >= 100) return Math.round(value).toLocaleString("en");
  if (size >= 10) return value.toFixed(1);
  if (size >= 1 || size === 0) return value.toFixed(size === 0 ? 0 : 2);
  return size >= 0.001 ? value.toPrecision(2) : value.toExponential(1);
}

export function seconds(value) {
  if (value < 10) return `${value.toFixed(1)} s`;
  if (value < 100) return `${Math.round(value)} s`;
  const minutes = Math.floor(value / 60);
  if (minutes < 60) return `${minutes} min ${Math.round(value % 60)} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.round(hours / 24)} days`;
}

export function gibibytes(value) {
  return value === null || value === undefined ? "–" : `${number(value / 2 ** 30)} GiB`;
}

export const percent = (value) => (value === null || value === undefined ? "–" : `${Math.round(100 * value)} %`);

export function make(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in made && !name.startsWith("aria")) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

// Changes only what differs, so that a screen reader and a selection are left alone.
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
