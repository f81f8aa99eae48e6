// The page: takes images, has them classified, shows what came of it. Nothing outlives the tab.

import * as api from "./api.js";
import { setUp as setUpCamera } from "./camera.js";
import { el, icon, ICONS, say, slashed } from "./dom.js";
import { fillSheet, saveCsv, saveJson } from "./export.js";
import { headline } from "./figures.js";
import { answer, failure, summary } from "./verdict.js";
import { attach, decodePreview, drawThumbnail, firstView } from "./viewer.js";

const PREVIEW_PIXELS = 768;
const AT_ONCE = 2;

const byId = (id) => document.getElementById(id);
/** Every image of this tab: id, name, file, state, result, problem, time, picture, view. */
const items = [];
let selected = null;
let model = null;
let working = 0;
let lastId = 0;

// ---- taking images

function add(files) {
  const list = [...files].filter((file) => file instanceof File);
  if (list.length === 0) return;
  for (const file of list) {
    lastId += 1;
    items.push({ id: lastId, name: file.name || "pasted image", file, state: "waiting", time: new Date() });
  }
  byId("workspace").hidden = false;
  document.body.classList.add("busy");
  if (!selected) select(items.at(-list.length));
  say(list.length === 1 ? `${list[0].name || "Image"} added` : `${list.length} images added`);
  renderList();
  next();
}

function next() {
  while (working < AT_ONCE) {
    const item = items.find((one) => one.state === "waiting");
    if (!item) return;
    working += 1;
    item.state = "working";
    renderItem(item);
    run(item).finally(() => {
      working -= 1;
      next();
    });
  }
}

async function run(item) {
  try {
    const limit = model?.limits?.body_bytes;
    if (limit && item.file.size > limit) {
      const detail = `${item.name} has ${Math.ceil(item.file.size / 2 ** 20)} MiB; this server takes ${limit / 2 ** 20}.`;
      throw new api.Failure({ title: "Larger than this server takes", status: 413, detail });
    }
    const result = await api.classify(item.file, PREVIEW_PIXELS);
    Object.assign(item, { state: "done", result: { ...result, image: item.name }, time: new Date() });
    item.picture = decodePreview(result.preview);
    item.view = firstView(item.picture);
  } catch (error) {
    if (!(error instanceof api.Failure)) console.error(error);
    const problem = error.problem ?? { title: "The page failed", detail: String(error.message ?? error) };
    // The server knows the bytes only; the name stayed here.
    const detail = problem.detail?.replace(/^image(?=: )/, item.name);
    Object.assign(item, { state: "error", problem: { ...problem, detail }, time: new Date() });
  }
  if (!items.includes(item)) return;
  renderItem(item);
  if (item === selected) renderDetail();
  say(`${item.name}: ${summary(item, model)}`);
}

// ---- the list

function renderList() {
  byId("items").replaceChildren(...items.map((item) => {
    item.row = el("li", {});
    fillRow(item);
    return item.row;
  }));
  count();
}

function count() {
  const done = items.filter((item) => item.state === "done" || item.state === "error").length;
  byId("count").textContent = `${done} of ${items.length} done`;
  byId("csv").disabled = done === 0;
  byId("print-all").disabled = !items.some((item) => item.state === "done");
}

function renderItem(item) {
  const focused = item.row?.contains(document.activeElement) ? document.activeElement.className : null;
  fillRow(item);
  if (focused) item.row.querySelector(`.${focused.split(" ")[0]}`)?.focus();
  count();
}

function fillRow(item) {
  const shape = { waiting: "wait", working: "wait", error: "error" }[item.state] ?? (item.result.label ? "answer" : "none");
  const thumbnail = el("canvas", { class: "thumb", width: 96, height: 96, "aria-hidden": "true" });
  if (item.picture) drawThumbnail(thumbnail, item.picture);
  const button = el("button", { type: "button", class: "item", "aria-current": item === selected ? "true" : "false", onclick: () => select(item, true), onkeydown: (event) => arrow(event, item) },
    thumbnail,
    el("span", { class: "item-text" },
      el("span", { class: "item-name" }, item.name),
      el("span", { class: `item-state ${item.state}` }, icon(ICONS[shape]), el("span", {}, item.result?.label ? slashed(summary(item, model)) : summary(item, model)))));
  const remove = el("button", { type: "button", class: "remove quiet", "aria-label": `Remove ${item.name}`, onclick: () => drop(item) }, icon("M5 5l10 10M15 5L5 15"));
  item.row.replaceChildren(button, remove);
}

function arrow(event, item) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (event.key === "Delete") {
    event.preventDefault();
    drop(item);
  } else if (step) {
    event.preventDefault();
    const other = items[items.indexOf(item) + step];
    if (other) {
      select(other);
      other.row.querySelector(".item").focus();
    }
  }
}

function drop(item) {
  const at = items.indexOf(item);
  items.splice(at, 1);
  const neighbour = items[Math.min(at, items.length - 1)] ?? null;
  if (selected === item) selected = neighbour;
  say(`${item.name} removed`);
  if (items.length === 0) return reset();
  renderList();
  renderDetail();
  neighbour?.row.querySelector(".item").focus();
}

function reset() {
  items.length = 0;
  selected = null;
  byId("items").replaceChildren();
  byId("detail").replaceChildren();
  byId("workspace").hidden = true;
  document.body.classList.remove("busy");
  byId("files").focus();
}

function select(item, byPerson = false) {
  const before = selected;
  selected = item;
  for (const one of [before, item]) {
    one?.row?.querySelector(".item")?.setAttribute("aria-current", one === item ? "true" : "false");
  }
  renderDetail();
  // On a phone the answer lies below the list.
  if (byPerson && matchMedia("(max-width: 60rem)").matches) byId("detail-title")?.focus();
}

// ---- one image

function renderDetail() {
  const pane = byId("detail");
  const item = selected;
  if (!item) return pane.replaceChildren();
  pane.replaceChildren(byId("detail-template").content.cloneNode(true));
  pane.querySelector("#detail-title").textContent = item.name;
  const [meta, stage, tools, right] = [".meta", ".stage", ".tools", ".answer"].map((selector) => pane.querySelector(selector));
  if (item.state === "done") {
    const { width, height, bits, format } = item.result;
    meta.textContent = `${format}, ${width} x ${height} pixels, ${bits} bits`;
    stage.style.setProperty("--ratio", item.picture.width / item.picture.height);
    pane.querySelector(".stage-note").remove();
    right.replaceChildren(...answer(item, model, { onjson: () => saveJson(item, model), onprint: () => print([item]) }).filter(Boolean));
    attach(pane, item, (view, map) => describe(item, view, map));
  } else {
    tools.remove();
    pane.querySelector("canvas").remove();
    pane.querySelector(".stage-note").textContent = item.state === "error" ? "No picture" : "Being read";
    meta.textContent = item.file ? `${Math.max(1, Math.round(item.file.size / 1024))} KiB` : "";
    if (item.state === "error") right.replaceChildren(...failure(item, () => retry(item)));
    else right.replaceChildren(el("div", { class: "verdict working" }, icon(ICONS.wait), el("div", {}, el("p", { class: "eyebrow" }, "The classifier's answer"), el("h3", { class: "verdict-title" }, "Being classified"))));
  }
}

function describe(item, view, map) {
  const base = `X-ray picture ${item.name}${view.invert !== item.picture.window.invert ? ", inverted" : ""}`;
  if (!map) return base;
  const at = map.cells.indexOf(Math.max(...map.cells));
  const [row, column] = [Math.floor(at / map.columns), at % map.columns];
  const part = (share, names) => names[Math.min(2, Math.floor(3 * share))];
  const place = `${part((row + 0.5) / map.rows, ["upper", "middle", "lower"])} ${part((column + 0.5) / map.columns, ["left", "centre", "right"])}`;
  return `${base}, with the heatmap for ${map.class}; what speaks for it most lies in the ${place} of the picture`;
}

function retry(item) {
  Object.assign(item, { state: "waiting", problem: null });
  renderItem(item);
  renderDetail();
  next();
}

// ---- printing

let chosen = null;

function print(list) {
  chosen = list;
  window.print();
}

addEventListener("beforeprint", () => {
  const list = chosen ?? (selected ? [selected] : []);
  document.body.classList.toggle("has-sheet", fillSheet(list, model));
  byId("sheet").hidden = false;
});
addEventListener("afterprint", () => {
  chosen = null;
  byId("sheet").hidden = true;
});

// ---- start

function showModel() {
  const figures = headline(model);
  byId("headline").replaceChildren(...figures.map(([value, label, note]) =>
    el("div", {}, el("dt", {}, label), el("dd", {}, el("strong", {}, value), el("span", { class: "muted" }, note)))));
  byId("headline-note").replaceChildren(figures.length
    ? "The first is what a new X-ray meets: it comes from a hospital that the model has never seen. The others are of sources it was trained on. "
    : "No evaluation of this model file is known: nobody can say how often it is wrong. ",
  el("a", { href: "/report" }, "All error rates and failures"));
  byId("model-line").textContent = `Model ${model.name}, SHA-256 ${model.sha256.slice(0, 12)}, version ${model.version}.`;
}

function setUp() {
  const drop = byId("drop");
  byId("files").addEventListener("change", (event) => {
    add(event.target.files);
    event.target.value = "";
  });
  let depth = 0;
  const over = (event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragenter", (event) => { if (over(event)) { depth += 1; drop.classList.add("over"); } });
  addEventListener("dragleave", (event) => { if (over(event)) { depth -= 1; drop.classList.toggle("over", depth > 0); } });
  addEventListener("dragover", (event) => { if (over(event)) event.preventDefault(); });
  addEventListener("drop", (event) => {
    event.preventDefault();
    depth = 0;
    drop.classList.remove("over");
    add(event.dataTransfer.files);
  });
  addEventListener("paste", (event) => {
    if (event.clipboardData?.files.length) {
      event.preventDefault();
      add(event.clipboardData.files);
    }
  });
  byId("paste").addEventListener("click", paste);
  document.querySelectorAll("[data-example]").forEach((button) => button.addEventListener("click", async () => {
    const name = button.dataset.example;
    const response = await fetch(`/examples/${name}`);
    add([new File([await response.blob()], button.textContent.trim().toLowerCase().replace(" ", "-") + ".png", { type: "image/png" })]);
  }));
  byId("csv").addEventListener("click", () => saveCsv(items, model));
  byId("print-all").addEventListener("click", () => print(items));
  byId("clear").addEventListener("click", () => { say("All images removed"); reset(); });
  setUpCamera(add);
}

async function paste() {
  try {
    const files = [];
    for (const entry of await navigator.clipboard.read()) {
      const type = entry.types.find((one) => one.startsWith("image/"));
      if (type) files.push(new File([await entry.getType(type)], "pasted.png", { type }));
    }
    if (files.length) add(files);
    else say("The clipboard holds no picture", true);
  } catch {
    say("The clipboard could not be read: press Ctrl and V instead", true);
  }
}

setUp();
api.model().then((found) => {
  model = found;
  showModel();
  if (items.length) {
    renderList();
    renderDetail();
  }
}, () => { byId("headline-note").textContent = "The server does not say what is known of its model."; });

