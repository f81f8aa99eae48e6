// The evaluation of the served model, as tables.

import { model } from "./classifiers.js";
import { el, slashed } from "./dom.js";
import { counted, headline, percent, rate, SPLITS } from "./figures.js";
import { CAUTION, failuresLink } from "./verdict.js";

const scroll = (label, table) => el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, table);
const head = (...names) => el("thead", {}, el("tr", {}, names.map((name) => el("th", { scope: "col" }, slashed(name)))));

function figures(model) {
  return el("section", { class: "card", "aria-labelledby": "headline-title" },
    el("h2", { id: "headline-title" }, "In short"),
    el("dl", { class: "figures" }, headline(model).map(([value, label, note]) =>
      el("div", {}, el("dt", {}, label), el("dd", {}, el("strong", {}, value), el("span", { class: "muted" }, note))))),
    el("p", {}, CAUTION));
}

/** Hospitals that no image of training came from: what a new X-ray meets. */
function unseen(model) {
  const hospitals = Object.entries(model.unseen ?? {});
  const area = (auc) => (typeof auc === "number" ? auc : auc?.value)?.toFixed(3) ?? "not measured";
  const withheld = (figures) => (typeof figures.abstained === "number" ? `${figures.abstained} of ${figures.n}` : rate(figures.abstained));
  const rows = hospitals.map(([name, figures]) => el("tr", {},
    el("th", { scope: "row" }, name, el("small", {}, typeof figures.n === "number" ? counted(figures) : ""),
      figures.network?.is_this_model === false
        ? el("small", {}, `by a network trained alike without it, for ${figures.network.recipe?.epochs ?? "unknown"} epochs`) : null),
    el("td", {}, rate(figures.healthy_called_covid)), el("td", {}, rate(figures.covid_found)), el("td", {}, rate(figures.other_finding_called_covid)),
    el("td", {}, area(figures.auc)), el("td", {}, withheld(figures))));
  return el("section", { class: "card", "aria-labelledby": "unseen-title" },
    el("h2", { id: "unseen-title" }, "Hospitals never seen"),
    el("p", {}, "No image of training came from them. A new X-ray comes from such a hospital, so these figures are the ones that it meets."),
    el("p", {}, el("strong", {}, model.unseen_summary)),
    rows.length ? scroll("Figures by hospital", el("table", { class: "data" },
      el("caption", {}, "Images and people of each; in brackets the 95 % interval"),
      head("Hospital", "Healthy called COVID-19", "COVID-19 found", "Other diseases called COVID-19", "AUC of COVID-19", "No answer"),
      el("tbody", {}, rows))) : null);
}

function overview(splits) {
  const rows = Object.entries(splits).map(([name, split]) => el("tr", {},
    el("th", { scope: "row" }, SPLITS[name] ?? name),
    el("td", {}, String(split.n)),
    el("td", {}, typeof split.patients === "number" ? String(split.patients) : "not known"),
    el("td", { class: "wide" }, `${percent(split.accuracy, 1)} (${percent(split.accuracy_interval_95[0], 1)} to ${percent(split.accuracy_interval_95[1], 1)})`),
    el("td", {}, percent(split.balanced_accuracy, 1)),
    el("td", {}, (100 * split.ece).toFixed(1)),
    el("td", {}, String(split.abstained)),
    el("td", {}, rate(split.answered))));
  return el("section", { class: "card", "aria-labelledby": "splits-title" },
    el("h2", { id: "splits-title" }, "By source"),
    el("p", {}, "Other images of these sources were in training, other people of them: not hospitals never seen."),
    scroll("Accuracy by source", el("table", { class: "data" },
      el("caption", {}, "Calibration error: how far, on average, the probabilities are from the truth, in points"),
      head("Images of", "Images", "People", "Right", "Balanced", "Calibration error", "No answer", "Right where it answered"),
      el("tbody", {}, rows))));
}

function confusion(name, split, classes) {
  const id = `split-${name}`;
  const rows = split.confusion.map((row, truth) => el("tr", {}, el("th", { scope: "row" }, slashed(classes[truth])),
    row.map((count, said) => el("td", { class: truth === said ? "right" : count ? "wrong" : null }, String(count)))));
  const each = classes.map((label) => {
    const figure = split.classes[label];
    return el("tr", {}, el("th", { scope: "row" }, slashed(label)), el("td", {}, rate(figure.sensitivity)), el("td", {}, rate(figure.specificity)), el("td", {}, rate(figure.ppv)));
  });
  return el("section", { class: "card", "aria-labelledby": id },
    el("h2", { id }, SPLITS[name] ?? name),
    scroll(`Answers, ${name}`, el("table", { class: "data" }, el("caption", {}, "Rows: the label. Columns: the likeliest class, withheld answers included. On the diagonal it is right"),
      head("Label", ...classes), el("tbody", {}, rows))),
    scroll(`Rates, ${name}`, el("table", { class: "data" }, el("caption", {}, "By class"),
      head("Class", "Found (sensitivity)", "Others left alone (specificity)", "Right when it says so (PPV)"), el("tbody", {}, each))));
}

/** What is refused that should be, and what is that should not. */
function refusals(refusal) {
  if (!refusal) return [];
  const rows = (figures, prefix) => Object.entries(figures).map(([name, figure]) => el("tr", {}, el("th", { scope: "row" }, `${prefix}${SPLITS[name] ?? name}`), el("td", {}, rate(figure))));
  return [el("section", { class: "card", "aria-labelledby": "refusal-title" },
    el("h2", { id: "refusal-title" }, "What it refuses"),
    el("p", {}, `A picture whose score is above ${refusal.refuse_above.toPrecision(3)} gets no answer: it does not look like a frontal chest X-ray.`),
    el("div", { class: "two" },
      scroll("Refused rightly", el("table", { class: "data" }, el("caption", {}, "Not frontal chest X-rays: refused"), head("Pictures", "Refused"), el("tbody", {}, rows(refusal.others ?? {}, "")))),
      scroll("Refused wrongly", el("table", { class: "data" }, el("caption", {}, "Chest X-rays: refused nevertheless"), head("Images of", "Refused"), el("tbody", {}, rows(refusal.in_distribution ?? {}, ""))))))];
}

/** The kinds of mistake, the commonest first. */
function failures(model, splits) {
  const classes = model.evaluation.classes ?? model.classes;
  const kinds = Object.entries(splits).filter(([name]) => name.includes("/") && name.startsWith("external_test")).flatMap(([name, split]) =>
    split.confusion.flatMap((row, truth) => row.map((count, said) => {
      const total = row.reduce((sum, one) => sum + one, 0);
      return { source: name.split("/")[1], truth: classes[truth], said: classes[said], count, total, wrong: truth !== said };
    }))).filter((kind) => kind.wrong && kind.count > 0).sort((a, b) => b.count - a.count);
  const rows = kinds.slice(0, 20).map((kind) => el("tr", {}, el("th", { scope: "row" }, kind.source), el("td", {}, kind.truth), el("td", {}, kind.said),
    el("td", {}, `${kind.count} of ${kind.total} (${percent(kind.count / kind.total)})`)));
  const gallery = model.evaluation_report
    ? el("p", {}, failuresLink(model, "The whole evaluation with its failure gallery"), ": the most confident mistakes, as pictures.")
    : el("p", {}, "The gallery of the most confident mistakes shows pictures of the datasets, which may not be passed on. Who has them makes it with ",
      el("code", {}, "host evaluate --report DIR"), " and shows it here with ", el("code", {}, "host serve --report DIR"), ".");
  return el("section", { class: "card", id: "failures", "aria-labelledby": "failures-title" },
    el("h2", { id: "failures-title" }, "Its failures"),
    gallery,
    scroll("Mistakes by source", el("table", { class: "data" }, el("caption", {}, "On people it has not seen, of sources it was trained on: what it took for what, the commonest first"),
      head("Source", "Labelled", "Taken for", "How many"), el("tbody", {}, rows))));
}

function show(model) {
  const content = document.getElementById("content");
  document.getElementById("model-line").textContent = `Model ${model.name}, SHA-256 ${model.sha256.slice(0, 12)}, version ${model.version}.`;
  const evaluation = model.evaluation;
  if (!evaluation) {
    content.replaceChildren(el("section", { class: "card" }, el("h2", {}, "Nobody knows"),
      el("p", {}, "No evaluation belongs to this model file, so its error rates are unknown. Run ", el("code", {}, "host evaluate"), " on it, and start ", el("code", {}, "host serve --report DIR"), " with what that wrote.")));
    return;
  }
  const classes = evaluation.classes ?? model.classes;
  const main = ["external_test", "test"].filter((name) => evaluation.splits[name]);
  content.replaceChildren(figures(model), unseen(model), overview(evaluation.splits),
    el("div", { class: "two" }, main.map((name) => confusion(name, evaluation.splits[name], classes))), ...refusals(evaluation.refusal), failures(model, evaluation.splits));
  if (location.hash) document.querySelector(location.hash)?.scrollIntoView();
}

model().then(show, (error) => {
  document.getElementById("content").replaceChildren(el("p", { class: "card", role: "alert" }, `The figures could not be read: ${error.message}`));
});
