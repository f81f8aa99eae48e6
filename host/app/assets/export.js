// Files and sheets to take away.

import { el, save } from "./dom.js";
import { counted, percent } from "./figures.js";
import { CAUTION, provenance, reasonText, warningsOf } from "./verdict.js";
import { draw } from "./viewer.js";

const NOTICE = "Research software, not a medical device: not for diagnosis, triage or treatment.";

const stem = (name) => name.replace(/\.[^.]*$/, "").replace(/[^\w.-]+/g, "_").slice(0, 80) || "image";

/** An image's record: the server's answer without its pixels. */
function record(item, model) {
  return { notice: NOTICE, caution: CAUTION, hospitals_never_seen: model?.unseen_summary ?? null, ...item.result, image: item.name, time: item.time.toISOString() };
}

/** Saves one answer. */
export function saveJson(item, model) {
  save(`${stem(item.name)}.json`, "application/json", `${JSON.stringify(record(item, model), null, 2)}\n`);
}

/** Saves all answers and errors as a table. */
export function saveCsv(items, model) {
  const finished = items.filter((item) => item.state === "done" || item.state === "error");
  const classes = model?.classes ?? [...new Set(finished.flatMap((item) => Object.keys(item.result?.probabilities ?? {})))];
  const head = ["image", "sha256", "time", "label", "abstained", "reason", "refusal_score", ...classes.map((name) => `p(${name})`), ...classes.map((name) => `logit(${name})`),
    "warnings", "width", "height", "bits", "format", "model", "model_sha256", "version", "problem", "hospitals_never_seen", "notice"];
  const rows = finished.map((item) => {
    const result = item.result ?? {};
    return [item.name, result.sha256, item.time.toISOString(), result.label, result.abstained, result.reason, result.refusal_score,
      ...classes.map((name) => result.probabilities?.[name]), ...classes.map((_, i) => result.logits?.[i]),
      warningsOf(result).join("; "), result.width, result.height, result.bits, result.format, result.model, result.model_sha256, result.version, item.problem?.title,
      model?.unseen_summary, NOTICE];
  });
  save("chest-x-rays.csv", "text/csv;charset=utf-8", `${[head, ...rows].map((row) => row.map(cell).join(",")).join("\r\n")}\r\n`);
}

/** A cell that no spreadsheet takes for a formula. */
function cell(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return String(value);
  const text = String(value);
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Fills the sheet that is printed in place of the page. */
export function fillSheet(items, model) {
  const sheet = document.getElementById("sheet");
  sheet.replaceChildren(...items.filter((item) => item.state === "done").map((item) => page(item, model)));
  return sheet.childElementCount > 0;
}

function page(item, model) {
  const { result } = item;
  const plain = document.createElement("canvas");
  draw(plain, item.picture, item.picture.window);
  const mapped = document.createElement("canvas");
  const best = Object.entries(result.probabilities).sort((a, b) => b[1] - a[1])[0][0];
  const map = result.maps.find((one) => one.class === (item.view.heatClass ?? best));
  draw(mapped, item.picture, { ...item.picture.window, opacity: 60 }, map, result.frame);
  const reason = result.label ? null : reasonText(result, model);
  const healthy = model?.evaluation?.healthy_adults_called_covid;
  const external = model?.evaluation?.splits?.external_test;
  return el("article", { class: "sheet-page" },
    el("h1", {}, "Chest X-ray classifier: research report"),
    el("p", { class: "sheet-notice" }, NOTICE),
    el("h2", {}, result.label ? `Answer: ${result.label}` : reason.title),
    reason ? el("p", {}, reason.text) : null,
    model ? el("p", {}, model.unseen_summary) : null,
    warningsOf(result).length ? el("ul", { class: "sheet-warnings" }, warningsOf(result).map((warning) => el("li", {}, `Warning: ${warning}`))) : null,
    el("ul", {}, (model?.classes ?? Object.keys(result.probabilities)).map((name) => el("li", {}, `${name}: ${percent(result.probabilities[name], 1)}`))),
    el("div", { class: "sheet-pictures" },
      el("figure", {}, plain, el("figcaption", {}, "As the classifier saw it")),
      el("figure", {}, mapped, el("figcaption", {}, `What speaks for (+, red) and against (\u2212, blue) ${map.class}`))),
    el("p", {}, CAUTION),
    external ? el("p", {}, `On people it has not seen, of sources it was trained on, this model was right in ${percent(external.accuracy, 1)} of ${counted(external)}`
      + (healthy?.n ? ` and called ${healthy.hits} of ${healthy.n} healthy adults COVID-19.` : ".")) : el("p", {}, "No evaluation of this model file is known."),
    provenance(item, model));
}
