// The answer in words: what, how sure, how often wrong, about whom it says nothing.

import { openEvaluation } from "./server.js";
import { el, icon, ICONS, say, slashed } from "./dom.js";
import { counted, MEANINGS, percent, rate, SPLITS } from "./figures.js";

/** Why no class was given. */
export function reasonText(result, model) {
  const ranked = Object.entries(result.probabilities).sort((a, b) => b[1] - a[1]);
  const limit = result.refuse_above ?? model?.refuse_above;
  const score = typeof result.refusal_score === "number" ? result.refusal_score : null;
  switch (result.reason) {
    case "low_confidence":
      return {
        title: "No answer: not sure enough",
        short: "No answer: not sure enough",
        text: `The likeliest class, ${ranked[0][0]}, reached ${percent(ranked[0][1], 1)}`
          + (model ? `; ${percent(model.abstain_below, 1)} is needed.` : "."),
      };
    case "doubtful_class": {
      const most = result.doubt_above ?? model?.doubt?.above;
      const far = typeof result.distance === "number" ? result.distance.toPrecision(3) : "unknown";
      return {
        title: `No answer: perhaps ${ranked[0][0]}, but the picture is unlike those that it knows`,
        short: "No answer: unlike the pictures it knows",
        text: `${ranked[0][0]} reached ${percent(ranked[0][1], 1)}. How far it is from the training pictures: ${far}`
          + (typeof most === "number" ? `; up to ${most.toPrecision(3)} that class is named.` : ".")
          + " Above, healthy people of hospitals that it does not know look the same to it.",
      };
    }
    case "out_of_distribution":
      return {
        title: "No answer: this does not look like a frontal chest X-ray",
        short: "No answer: no chest X-ray?",
        text: score === null
          ? "The picture is too unlike those that the classifier was trained on."
          : `How unlike the training pictures it is: ${score.toPrecision(3)}`
            + (typeof limit === "number" ? `; up to ${limit.toPrecision(3)} is accepted.` : "."),
      };
    default:
      return { title: "No answer", short: "No answer", text: `Reason: ${String(result.reason ?? "withheld").replaceAll("_", " ")}.` };
  }
}

/** One line for lists and screen readers. */
export function summary(item, model) {
  if (item.state === "error") return item.problem.title;
  if (item.state !== "done") return item.state === "working" ? "Being classified" : "Waiting";
  const { label, probabilities } = item.result;
  const count = warningsOf(item.result).length;
  const warned = count === 0 ? "" : count === 1 ? "; with a warning" : `; with ${count} warnings`;
  return `${label ? `${label}, ${percent(probabilities[label])}` : reasonText(item.result, model).short}${warned}`;
}

/** What makes an answer doubtful, as the server says it. */
export const warningsOf = (result) => result?.warnings ?? [];

/** The warnings beside an answer. */
function warnings(result) {
  const list = warningsOf(result);
  if (list.length === 0) return null;
  return el("section", { class: "caution warnings", "aria-labelledby": "warnings-title" }, icon(ICONS.error),
    el("div", {}, el("h4", { id: "warnings-title" }, "Doubtful: about this file"), el("ul", {}, list.map((warning) => el("li", {}, warning)))));
}

function bars(result, model) {
  const rows = model?.classes ?? Object.keys(result.probabilities);
  const needed = model?.abstain_below;
  const body = rows.map((name) => {
    const share = result.probabilities[name];
    const fill = el("span", { class: "bar-fill" });
    fill.style.setProperty("--share", share);
    const track = el("span", { class: "bar", "aria-hidden": "true" }, fill);
    if (needed) {
      const mark = el("span", { class: "bar-mark" });
      mark.style.setProperty("--share", needed);
      track.append(mark);
    }
    const chosen = name === result.label;
    return el("tr", { class: chosen ? "chosen" : null },
      el("th", { scope: "row" }, el("span", {}, chosen ? icon(ICONS.answer) : null, slashed(name)), el("small", {}, MEANINGS[name] ?? "")),
      el("td", { class: "bar-cell" }, track),
      el("td", { class: "number" }, percent(share, 1)));
  });
  const caption = el("caption", {}, "Calibrated probabilities", needed ? el("small", {}, ` (the line: ${percent(needed)} needed for an answer)`) : null);
  return el("table", { class: "bars" }, caption, el("tbody", {}, body));
}

function calibration(result, model) {
  const { test, external_test: external } = model?.evaluation?.splits ?? {};
  const [, top] = Object.entries(result.probabilities).sort((a, b) => b[1] - a[1])[0];
  const parts = [`Calibrated on validation images: of pictures like those given ${percent(top)}, about ${Math.round(100 * top)} in 100 are labelled so.`];
  if (test && external) {
    parts.push(`Measured, such numbers were off by ${(100 * test.ece).toFixed(0)} points on average on the benchmark and by ${(100 * external.ece).toFixed(0)} on people it has not seen, of sources it was trained on.`);
  }
  return el("p", { class: "muted" }, parts.join(" "));
}

/** How often an answer was right, and how many of a class got it: of verdicts that are given, where the report counts those. */
function named(split, label) {
  const figure = split.classes?.[label];
  return figure?.named
    ? [rate(figure.named_right), rate(figure.named)]
    : [rate(figure?.ppv), rate(figure?.sensitivity, split.patient_bootstrap_95?.[`sensitivity ${label}`])];
}

/** The model's own error rates for this answer. */
function errors(result, model) {
  const splits = model?.evaluation?.splits;
  if (!splits) {
    return el("section", {}, el("h4", {}, "How often is it wrong?"),
      el("p", {}, "No evaluation of this model file is known, so nobody can say. Do not rely on it."));
  }
  const label = result.label;
  const rows = ["external_test", "test"].filter((name) => splits[name]).map((name) => {
    const split = splits[name];
    const cells = label
      ? named(split, label)
      : [`${split.abstained} of ${split.n}`, rate(split.answered)];
    return el("tr", {}, el("th", { scope: "row" }, SPLITS[name], el("small", {}, counted(split))), cells.map((cell) => el("td", {}, cell)));
  });
  const heads = label ? [["Right when it said ", slashed(label)], ["Found, of all ", slashed(label)]] : ["No answer given", "Right where it answered"];
  const table = el("table", { class: "rates" },
    el("caption", {}, "Measured on images that it was not trained on, none of a hospital never seen; in brackets the 95 % interval"),
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Images"), heads.map((head) => el("th", { scope: "col" }, head)))),
    el("tbody", {}, rows));
  const healthy = model.evaluation.healthy_adults_called_covid;
  const covid = label?.includes("COVID") && healthy?.n
    ? el("p", {}, `Healthy adults of sources it was trained on called COVID-19: ${rate(healthy)}.`) : null;
  const links = el("p", { class: "links" }, el("a", { href: "report" }, "All error rates"), " ",
    failuresLink(model, "Its failures"));
  return el("section", {}, el("h4", {}, "How often is it wrong?"), label ? null : el("p", {}, model.unseen_summary), el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Error rates" }, table), covid, links);
}

/** A link to the evaluation's own page, or to the figures where it is not there. */
export function failuresLink(model, text) {
  if (!model.evaluation_report) return el("a", { href: "report.html#failures" }, text);
  const onclick = (event) => openEvaluation(event).catch((error) => say(error.message, true));
  return el("a", { href: model.evaluation_report, onclick }, text);
}

/** Who is warned about what. */
export const CAUTION = "Children and adults: the healthy people and most pneumonias it learned from were children of one hospital, its COVID-19 patients adults "
  + "from elsewhere. An answer may reflect age or origin instead of disease.";

/** File, model and time, for the record. */
export function provenance(item, model) {
  const { result } = item;
  const rows = [
    ["Image", item.name],
    ["Image SHA-256", result.sha256],
    ["Pixels", `${result.width} x ${result.height}, ${result.bits} bits, ${result.format}`],
    ["Model", model ? `${model.name}, ${model.classes.length} classes` : result.model],
    ["Model SHA-256", result.model_sha256],
    ["Software version", result.version],
    ["Time", item.time.toISOString()],
    ["Logits", result.logits.map((logit) => logit.toFixed(6)).join(", ")],
    ["Took", `${result.milliseconds.toFixed(1)} ms`],
  ];
  return el("dl", { class: "facts" }, rows.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
}

/** The answer pane. */
export function answer(item, model, { onjson, onprint }) {
  const { result } = item;
  const reason = result.label ? null : reasonText(result, model);
  const head = el("div", { class: `verdict ${reason ? "none" : "given"}` },
    icon(reason ? ICONS.none : ICONS.answer),
    el("div", {},
      el("p", { class: "eyebrow" }, "The classifier's answer"),
      el("h3", { class: "verdict-title" }, reason ? reason.title : slashed(result.label)),
      el("p", {}, reason ? reason.text : `${percent(result.probabilities[result.label], 1)}: ${MEANINGS[result.label] ?? "this class"}. Not a diagnosis.`),
      reason || !model ? null : el("p", { class: "unseen-figure" }, model.unseen_summary)));
  // A number beside a refusal would be read as an answer: it has to be asked for.
  const numbers = result.reason === "out_of_distribution"
    ? [el("details", {}, el("summary", {}, "What the network would have said"),
      el("p", { class: "muted" }, "It gives numbers to any picture; they mean nothing here."), bars(result, model))]
    : [bars(result, model), calibration(result, model)];
  return [
    el("p", { class: "research" }, "Research use only: not for diagnosis, triage or treatment."),
    head,
    warnings(result),
    ...numbers,
    el("div", { class: "caution", role: "note", "aria-label": "Caution: children and adults" }, icon(ICONS.error), el("p", {}, CAUTION)),
    errors(result, model),
    el("details", { class: "record" }, el("summary", {}, "For the record: hashes, version, time"), provenance(item, model)),
    el("div", { class: "actions", role: "group", "aria-label": "This image" },
      el("button", { type: "button", class: "save-json", onclick: onjson }, "Save as JSON"),
      el("button", { type: "button", class: "print-one", onclick: onprint }, "Print a report")),
  ];
}

/** The pane of an image that got no answer because of an error. */
export function failure(item, onretry) {
  const { problem } = item;
  return [
    el("div", { class: "verdict failed" }, icon(ICONS.error),
      el("div", {},
        el("p", { class: "eyebrow" }, problem.status ? `Not classified (${problem.status})` : "Not classified"),
        el("h3", { class: "verdict-title" }, problem.title),
        el("p", {}, problem.detail ?? ""))),
    el("div", { class: "actions" }, el("button", { type: "button", onclick: onretry }, "Try again")),
  ];
}
