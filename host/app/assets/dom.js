// Elements without markup in strings: text stays text.

/** Makes an element: `el("p", { class: "muted" }, "text", child)`. Keys with `on` add listeners; true and false set attributes. */
export function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

/** A class name that breaks after its slash and nowhere else; words behind it break as words do. */
export const slashed = (name) => name.split(/(?<=\/)/).flatMap((part) => {
  const [word, ...rest] = part.split(/(?= )/);
  return [el("span", { class: "word" }, word), rest.join(""), el("wbr")];
});

/** An SVG icon of one path. */
export function icon(path) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  for (const [key, value] of Object.entries({ viewBox: "0 0 20 20", width: 20, height: 20, "aria-hidden": "true", class: "icon" })) {
    svg.setAttribute(key, value);
  }
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  for (const [key, value] of Object.entries({ d: path, fill: "none", stroke: "currentColor", "stroke-width": 1.8, "stroke-linecap": "round", "stroke-linejoin": "round" })) {
    line.setAttribute(key, value);
  }
  svg.append(line);
  return svg;
}

/** Shapes that say without colour what a state is. */
export const ICONS = {
  answer: "M3 10.5l4.5 4.5L17 5",
  none: "M10 2.5l7.5 7.5-7.5 7.5L2.5 10zM7 10h6",
  error: "M10 2.5L18.5 17h-17zM10 8v4M10 14.4v.1",
  wait: "M10 2.5a7.5 7.5 0 1 0 0 15 7.5 7.5 0 0 0 0-15M10 6v4.5l3 2",
};

let hide = 0;

/** Says something to a screen reader; where it is urgent, to everyone for a while. */
export function say(text, urgent = false) {
  const region = document.getElementById(urgent ? "alert" : "status");
  region.textContent = "";
  // A change after a pause is read even where the text is the same.
  setTimeout(() => { region.textContent = text; }, 60);
  if (urgent) {
    clearTimeout(hide);
    hide = setTimeout(() => { region.textContent = ""; }, 10_000);
  }
}

/** Offers a file for saving. */
export function save(name, type, text) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = el("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
