// The picture: samples from whoever classified it, windowed here, with the exact map of a class over it.

import { el } from "./dom.js";

const FOR = [190, 24, 43];
const AGAINST = [42, 104, 190];

/** Decodes the preview of an answer. */
export function decodePreview(preview) {
  const bytes = Uint8Array.from(atob(preview.data), (char) => char.charCodeAt(0));
  let samples = bytes;
  if (preview.bits === 16) {
    const view = new DataView(bytes.buffer);
    samples = Uint16Array.from({ length: bytes.length / 2 }, (_, i) => view.getUint16(2 * i, true));
  }
  let [least, most] = [Infinity, -Infinity];
  for (const sample of samples) {
    if (sample < least) least = sample;
    if (sample > most) most = sample;
  }
  return { width: preview.width, height: preview.height, bits: preview.bits, samples, least, most, window: preview.window, presets: preview.presets };
}

/** The view with which an image opens: as the classifier sees it. */
export const firstView = (picture) => ({ ...picture.window, preset: "file", heat: false, heatClass: null, opacity: 60 });

/** Named windows: key, name, ends. */
export function presets(picture) {
  const all = [{ key: "file", name: "As the classifier sees it", ...picture.window }];
  picture.presets.forEach((preset, i) => all.push({ key: `preset-${i}`, name: `${preset.name} (from the file)`, low: preset.low, high: preset.high }));
  const sorted = Float64Array.from(picture.samples).sort();
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
  all.push({ key: "auto", name: "Contrast: darkest and brightest 1 % cut", low: at(0.01), high: Math.max(at(0.99), at(0.01) + 1) });
  all.push({ key: "range", name: "All values of the picture", low: picture.least, high: Math.max(picture.most, picture.least + 1) });
  return all;
}

/** The map's value at a point, in shares of the strongest cell; between cell centres linear, as `host predict --heatmap` draws it. */
function sampler(map) {
  let top = Number.MIN_VALUE;
  for (const cell of map.cells) top = Math.max(top, Math.abs(cell));
  const cell = (y, x) => map.cells[Math.min(map.rows - 1, Math.max(0, y)) * map.columns + Math.min(map.columns - 1, Math.max(0, x))] / top;
  return (v, u) => {
    const [y, x] = [v * map.rows - 0.5, u * map.columns - 0.5];
    const [y0, x0] = [Math.floor(y), Math.floor(x)];
    const [dy, dx] = [y - y0, x - x0];
    return (cell(y0, x0) * (1 - dx) + cell(y0, x0 + 1) * dx) * (1 - dy) + (cell(y0 + 1, x0) * (1 - dx) + cell(y0 + 1, x0 + 1) * dx) * dy;
  };
}

/** All of a picture. */
export const WHOLE = { x: 0, y: 0, width: 1, height: 1 };

/** Draws a picture in a view, with the map of a class if one is given; `frame` is what of the picture the classifier saw, and the map covers. */
export function draw(canvas, picture, view, map, frame) {
  const { width, height, samples } = picture;
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  const span = Math.max(1, view.high - view.low);
  const value = map ? sampler(map) : null;
  const area = frame ?? WHOLE;
  for (let y = 0, i = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1, i += 1) {
      let gray = Math.min(1, Math.max(0, (samples[i] - view.low) / span)) * 255;
      if (view.invert) gray = 255 - gray;
      let [r, g, b] = [gray, gray, gray];
      if (value) {
        const [v, u] = [((y + 0.5) / height - area.y) / area.height, ((x + 0.5) / width - area.x) / area.width];
        const strength = v >= 0 && v < 1 && u >= 0 && u < 1 ? value(v, u) : 0;
        const weight = Math.min(1, Math.abs(strength)) * view.opacity / 100;
        const colour = strength > 0 ? FOR : AGAINST;
        [r, g, b] = [r, g, b].map((under, k) => colour[k] * weight + under * (1 - weight));
      }
      image.data.set([r, g, b, 255], 4 * i);
    }
  }
  context.putImageData(image, 0, 0);
  if (map) signs(context, { x: area.x * width, y: area.y * height, width: area.width * width, height: area.height * height }, map);
  if (frame) outline(context, width, height, frame);
}

/** The frame, dashed. */
function outline(context, width, height, frame) {
  const line = Math.max(1, Math.round(Math.min(width, height) / 256));
  context.lineWidth = line;
  for (const [dash, colour] of [[[], "rgb(0 0 0 / 60%)"], [[4 * line, 4 * line], "#fff"]]) {
    context.setLineDash(dash);
    context.strokeStyle = colour;
    context.strokeRect(frame.x * width + line / 2, frame.y * height + line / 2, frame.width * width - line, frame.height * height - line);
  }
  context.setLineDash([]);
}

/** Plus and minus on the strongest cells, for eyes that do not tell red from blue. */
function signs(context, area, map) {
  const top = Math.max(...map.cells.map(Math.abs), Number.MIN_VALUE);
  const size = Math.max(12, Math.round(0.45 * Math.min(area.width / map.columns, area.height / map.rows)));
  context.font = `700 ${size}px system-ui, sans-serif`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.lineWidth = size / 5;
  map.cells.forEach((cell, i) => {
    if (Math.abs(cell) < 0.4 * top) return;
    const x = area.x + ((i % map.columns) + 0.5) * area.width / map.columns;
    const y = area.y + (Math.floor(i / map.columns) + 0.5) * area.height / map.rows;
    const sign = cell > 0 ? "+" : "\u2212";
    context.strokeStyle = "rgb(0 0 0 / 75%)";
    context.fillStyle = "#fff";
    context.strokeText(sign, x, y);
    context.fillText(sign, x, y);
  });
}

/** A small square copy for the list. */
export function drawThumbnail(canvas, picture) {
  const full = document.createElement("canvas");
  draw(full, picture, { ...picture.window });
  const side = 96;
  canvas.width = side;
  canvas.height = side;
  const context = canvas.getContext("2d");
  const scale = Math.min(side / full.width, side / full.height);
  const [w, h] = [full.width * scale, full.height * scale];
  context.fillStyle = "#000";
  context.fillRect(0, 0, side, side);
  context.drawImage(full, (side - w) / 2, (side - h) / 2, w, h);
}

/** Wires the tools of a detail pane to an item. */
export function attach(pane, item, describe) {
  const { picture, result, view } = item;
  const find = (selector) => pane.querySelector(selector);
  const canvas = find("canvas");
  const [level, width] = [find(".level"), find(".width")];
  const [least, most] = [Math.min(picture.least, picture.window.low), Math.max(picture.most, picture.window.high)];
  const named = presets(picture);
  const classes = result.maps.map((map) => map.class);
  view.heatClass ??= result.label ?? classes.reduce((best, name) => (result.probabilities[name] > result.probabilities[best] ? name : best));
  const mapOf = () => (view.heat ? result.maps.find((map) => map.class === view.heatClass) : null);

  let pending = false;
  const redraw = () => {
    if (pending) return;
    pending = true;
    requestAnimationFrame(() => {
      pending = false;
      draw(canvas, picture, view, mapOf(), result.frame);
      canvas.setAttribute("aria-label", describe(view, mapOf()));
    });
  };
  const show = () => {
    level.value = String((view.low + view.high) / 2);
    width.value = String(view.high - view.low);
    level.setAttribute("aria-valuetext", `${Math.round((view.low + view.high) / 2)}`);
    width.setAttribute("aria-valuetext", `${Math.round(view.high - view.low)}`);
    find(".invert").checked = view.invert;
    find(".preset").value = view.preset;
    find(".heat-on").checked = view.heat;
    find(".heat-more").hidden = !view.heat;
    find(".heat-class").value = view.heatClass;
    find(".heat-opacity").value = String(view.opacity);
    const map = mapOf();
    if (map) {
      const sum = map.cells.reduce((total, cell) => total + cell, 0);
      const logit = result.logits[classes.indexOf(view.heatClass)];
      find(".heat-sum").textContent = `Exact, not estimated: the cells add up to ${sum.toFixed(3)}; with the constant part ${map.bias.toFixed(3)} that is the logit ${logit.toFixed(3)}.`;
      numbers(find(".heat-numbers table"), map);
    }
    redraw();
  };

  const option = ({ key, name }) => el("option", { value: key }, name);
  find(".preset").append(...named.map(option), el("option", { value: "own" }, "Your own"));
  find(".heat-class").append(...classes.map((name) => option({ key: name, name })));
  const span = Math.max(1, most - least);
  Object.assign(level, { min: String(least), max: String(most), step: String(Math.max(0.5, span / 512)) });
  Object.assign(width, { min: "1", max: String(span), step: String(Math.max(1, span / 512)) });

  const own = () => {
    const [centre, half] = [Number(level.value), Math.max(0.5, Number(width.value) / 2)];
    Object.assign(view, { low: centre - half, high: centre + half, preset: "own" });
    show();
  };
  level.addEventListener("input", own);
  width.addEventListener("input", own);
  find(".invert").addEventListener("change", (event) => { view.invert = event.target.checked; show(); });
  find(".preset").addEventListener("change", (event) => {
    const chosen = named.find((preset) => preset.key === event.target.value);
    if (chosen) Object.assign(view, { low: chosen.low, high: chosen.high, preset: chosen.key });
    show();
  });
  find(".reset").addEventListener("click", () => { Object.assign(view, picture.window, { preset: "file" }); show(); });
  find(".heat-on").addEventListener("change", (event) => { view.heat = event.target.checked; show(); });
  find(".heat-class").addEventListener("change", (event) => { view.heatClass = event.target.value; show(); });
  find(".heat-opacity").addEventListener("input", (event) => { view.opacity = Number(event.target.value); show(); });
  drag(canvas, view, span, show);
  show();
}

/** Dragging changes the window as on a workstation; the sliders do the same without a pointer. */
function drag(canvas, view, span, show) {
  let last = null;
  canvas.addEventListener("pointerdown", (event) => {
    if (event.pointerType !== "mouse" || event.button !== 0) return;
    last = event;
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!last) return;
    const [dx, dy] = [event.clientX - last.clientX, event.clientY - last.clientY];
    last = event;
    const centre = (view.low + view.high) / 2 + dy * span / 500;
    const half = Math.max(0.5, (view.high - view.low) / 2 + dx * span / 1000);
    Object.assign(view, { low: centre - half, high: centre + half, preset: "own" });
    show();
  });
  const end = () => { last = null; };
  canvas.addEventListener("pointerup", end);
  canvas.addEventListener("pointercancel", end);
}

function numbers(table, map) {
  const caption = el("caption", {}, `What each of ${map.rows} x ${map.columns} fields adds to the logit of ${map.class}`);
  const rows = Array.from({ length: map.rows }, (_, y) =>
    el("tr", {}, Array.from({ length: map.columns }, (_, x) => el("td", {}, map.cells[y * map.columns + x].toFixed(3)))));
  table.replaceChildren(caption, el("tbody", {}, rows));
}
