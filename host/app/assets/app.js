// The page: takes images, has them classified, shows what came of it.

import { classifiers, hasDevice, hasServer, model as askModel, prefer, preferred } from "./classifiers.js";
import { el, icon, ICONS, say, slashed } from "./dom.js";
import { fillSheet, saveCsv, saveJson } from "./export.js";
import { headline } from "./figures.js";
import { setUp } from "./intake.js";
import { isNetwork, NetworkPanel } from "./network.js";
import { MOST_PICTURES, Queue } from "./queue.js";
import { keepOffline } from "./offline.js";
import { answer, failure, summary } from "./verdict.js";
import { WHOLE, attach } from "./viewer.js";

const byId = (id) => document.getElementById(id);
let selected = null;
let model = null;

const queue = new Queue(preferred(), {
  changed: renderItem,
  finished(item) {
    renderItem(item);
    if (item === selected) renderDetail();
    say(`${item.name}: ${summary(item, model)}`);
  },
  passedOver: (item) => drop(item, false),
});
const { items } = queue;
const networks = hasDevice ? new NetworkPanel(byId("network")) : null;

// ---- taking images

async function add(list) {
  const files = [];
  for (const one of list) {
    if (isNetwork(one)) await openNetwork(one.file);
    else files.push(one);
  }
  if (files.length === 0) return;
  if (networks?.isOpen) {
    await networks.run(files);
    return;
  }
  byId("workspace").hidden = false;
  document.body.classList.add("busy");
  queue.add(files);
  if (!selected) select(items.at(-files.length));
  say(files.length === 1 ? `${files[0].name} added` : `${files.length} images added`);
  renderList();
}

async function openNetwork(file) {
  if (networks) await networks.open(file);
  else say("Networks are tried on the device, and this server has no module for browsers: use host run", true);
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
  const { done, passedOver } = queue;
  byId("count").textContent = `${done} of ${items.length} done`;
  byId("passed-over").textContent = passedOver === 0 ? "" : `${passedOver} ${passedOver === 1 ? "file" : "files"} in folders passed over: no images by name or content.`;
  Object.assign(byId("progress"), { max: items.length, value: done });
  byId("running").hidden = done === items.length || items.length < 2;
  byId("csv").disabled = done === 0;
  byId("print-all").disabled = items.length > MOST_PICTURES || !items.some((item) => item.state === "done");
  byId("print-all").title = items.length > MOST_PICTURES ? `Up to ${MOST_PICTURES} at once` : "";
}

function renderItem(item) {
  if (!item.row) return;
  const focused = item.row.contains(document.activeElement) ? document.activeElement.className : null;
  fillRow(item);
  if (focused) item.row.querySelector(`.${focused.split(" ")[0]}`)?.focus();
  count();
}

function fillRow(item) {
  const shape = { waiting: "wait", working: "wait", error: "error" }[item.state] ?? (item.result.label ? "answer" : "none");
  const thumbnail = item.thumbnail ?? el("canvas", { width: 96, height: 96 });
  thumbnail.className = "thumb";
  thumbnail.ariaHidden = "true";
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

function drop(item, byPerson = true) {
  const at = items.indexOf(item);
  queue.remove(item);
  const neighbour = items[Math.min(at, items.length - 1)] ?? null;
  const wasSelected = selected === item;
  if (wasSelected) selected = neighbour;
  if (byPerson) say(`${item.name} removed`);
  if (items.length === 0) {
    if (!byPerson) say("There is no image in this folder", true);
    return reset();
  }
  if (byPerson) renderList();
  else item.row?.remove();
  count();
  if (wasSelected) select(neighbour);
  if (byPerson) neighbour?.row.querySelector(".item").focus();
}

function reset() {
  queue.clear();
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
  if (item.state === "done" && !item.picture) {
    stage.querySelector("canvas").remove();
    tools.remove();
    pane.querySelector(".stage-note").textContent = "Being read again";
    queue.restore(item).then(() => { if (item === selected) renderDetail(); }, (error) => say(`${item.name}: ${error.message}`, true));
  } else if (item.state === "done") {
    const { width, height, bits, format, frame } = item.result;
    meta.textContent = `${format}, ${width} x ${height} pixels, ${bits} bits${frame ? "; the classifier read the lungs, in the dashed frame" : ""}`;
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
  const area = item.result.frame ?? WHOLE;
  const [x, y] = [area.x + area.width * (column + 0.5) / map.columns, area.y + area.height * (row + 0.5) / map.rows];
  const place = `${part(y, ["upper", "middle", "lower"])} ${part(x, ["left", "centre", "right"])}`;
  return `${base}, with the heatmap for ${map.class}; what speaks for it most lies in the ${place} of the picture`;
}

function retry(item) {
  queue.retry(item);
  renderItem(item);
  renderDetail();
}

function cancel() {
  const count = queue.cancel();
  renderList();
  renderDetail();
  say(`${count} ${count === 1 ? "image" : "images"} cancelled`, true);
}

// ---- printing

let chosen = null;

function print(list) {
  chosen = list;
  window.print();
}

addEventListener("beforeprint", () => {
  const list = (chosen ?? (selected ? [selected] : [])).filter((item) => item.picture);
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
  el("a", { href: "report.html" }, "All error rates and failures"));
  byId("model-line").textContent = `Model ${model.name}, SHA-256 ${model.sha256.slice(0, 12)}, version ${model.version}.`;
}

/** Says who classifies and, where there is a choice, offers it. */
function showWhere() {
  byId("where-note").textContent = queue.classifier.note;
  byId("where").hidden = classifiers.length < 2;
  byId("where-choices").replaceChildren(...classifiers.map((one) => el("label", { class: "check" },
    el("input", { type: "radio", name: "where", value: one.where, checked: one === queue.classifier, onchange: () => choose(one) }), one.title)));
  getReady();
}

function choose(classifier) {
  queue.classifier = classifier;
  prefer(classifier);
  byId("where-note").textContent = classifier.note;
  getReady();
  queue.next();
}

function getReady() {
  const { classifier } = queue;
  classifier.prepare().then(() => { document.body.dataset.ready = classifier.where; }, (error) => say(error.message, true));
}

byId("cancel").addEventListener("click", cancel);
byId("csv").addEventListener("click", () => saveCsv(items, model));
byId("print-all").addEventListener("click", () => print(items));
byId("clear").addEventListener("click", () => { say("All images removed"); reset(); });
setUp(add);
showWhere();
if (!hasServer) keepOffline();
askModel().then((found) => {
  model = found;
  queue.model = found;
  showModel();
  if (items.length) {
    renderList();
    renderDetail();
  }
}, () => { byId("headline-note").textContent = "What is known of the model could not be read."; });
