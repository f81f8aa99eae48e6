// Figures of the evaluation in words.

/** A share as per cent. */
export const percent = (share, digits = 0) => `${(100 * share).toFixed(digits)}\u00a0%`;

/** "10 of 12 (83 %; 55 to 95 %)". */
export function rate(figure) {
  if (!figure || !figure.n) return "not measured";
  const [low, high] = figure.interval_95 ?? [];
  const interval = low === undefined ? "" : `; ${percent(low)} to ${percent(high)}`;
  return `${figure.hits} of ${figure.n} (${percent(figure.value)}${interval})`;
}

/** What the classes are about. */
export const MEANINGS = {
  "Normal/NA": "no pneumonia labelled",
  "Pneumonia/NA": "pneumonia of another or an unnamed cause",
  "Pneumonia/COVID-19": "pneumonia labelled as COVID-19",
};

/** The two splits that belong together, and others by their name. */
export const SPLITS = {
  test: "Benchmark (CoronaHack test; mostly children of one hospital)",
  external_test: "Other hospitals, unseen people",
  val: "Validation (used for choosing, not for judging)",
};

/** The big figures: [value, label, note]. */
export function headline(model) {
  const evaluation = model.evaluation;
  if (!evaluation) return [];
  const { test, external_test: external } = evaluation.splits ?? {};
  const of = (split) => `${split.n} images; 95 % interval ${percent(split.accuracy_interval_95[0])} to ${percent(split.accuracy_interval_95[1])}`;
  const figures = [];
  if (external) figures.push([percent(external.accuracy), "right on X-rays from other hospitals", of(external)]);
  if (test) figures.push([percent(test.accuracy), "right on the benchmark it was trained beside", of(test)]);
  const healthy = evaluation.healthy_adults_called_covid;
  if (healthy?.n) figures.push([percent(healthy.value, 1), "of healthy adults called COVID-19", `${healthy.hits} of ${healthy.n}`]);
  return figures;
}
