// Figures of the evaluation in words.

/** A share as per cent. */
export const percent = (share, digits = 0) => `${(100 * share).toFixed(digits)}\u00a0%`;

/** The wider of two intervals: by image and by person, either of which may not be known. */
const wider = (one, other) => (one && other ? (one[1] - one[0] >= other[1] - other[0] ? one : other) : one ?? other ?? []);

/** "10 of 12, 11 people (83 %; 55 to 95 %)". */
export function rate(figure, byPerson) {
  if (!figure || !figure.n) return "not measured";
  const [low, high] = wider(figure.interval_95, byPerson);
  const interval = low === undefined ? "" : `; ${percent(low)} to ${percent(high)}`;
  const people = typeof figure.patients === "number" && figure.patients !== figure.n ? `, ${figure.patients} people` : "";
  return `${figure.hits} of ${figure.n}${people} (${percent(figure.value)}${interval})`;
}

/** What the classes are about. */
export const MEANINGS = {
  "Normal/NA": "no pneumonia labelled",
  "Pneumonia/NA": "pneumonia of another or an unnamed cause",
  "Pneumonia/COVID-19": "pneumonia labelled as COVID-19",
};

/** "771 images of 670 people". */
export const counted = (figures) => (typeof figures.patients === "number" ? `${figures.n} images of ${figures.patients} people` : `${figures.n} images`);

/** Splits by their name. Hospitals never seen are none of them: their figures are `unseen`. */
export const SPLITS = {
  test: "Benchmark (CoronaHack test; mostly children of one hospital)",
  external_test: "Sources it was trained on, people it has not seen",
  val: "Validation (used for choosing, not for judging)",
};

/** The big figures: [value, label, note]. The first is what a new X-ray meets. */
export function headline(model) {
  const evaluation = model.evaluation;
  if (!evaluation) return [];
  const { test, external_test: external } = evaluation.splits ?? {};
  const of = (split) => {
    const [low, high] = wider(split.accuracy_interval_95, split.patient_bootstrap_95?.accuracy);
    return `${counted(split)}; 95\u00a0% interval ${percent(low)} to ${percent(high)}`;
  };
  const unseen = model.unseen_healthy_called_covid;
  const figures = [unseen
    ? [percent(unseen.value), "of healthy adults of hospitals never seen called COVID-19",
      unseen.is_this_model ? places(unseen) : `${places(unseen)}; by a network trained alike without it`]
    : ["Not measured", "how often healthy adults of hospitals never seen are called COVID-19", ""]];
  if (external) figures.push([percent(external.accuracy), "right on sources it was trained on, people it has not seen", of(external)]);
  const healthy = evaluation.healthy_adults_called_covid;
  if (healthy?.n) figures.push([percent(healthy.value), "of healthy adults of sources it was trained on called COVID-19", `${healthy.hits} of ${counted(healthy)}`]);
  if (test) figures.push([percent(test.accuracy), "right on the benchmark it was trained beside", of(test)]);
  return figures;
}

/** "425 of 513 images; 1 hospital". */
function places({ hits, n, hospitals, people, least, most }) {
  const who = people === null || people === n ? "" : ` of ${people} people`;
  const where = hospitals === 1 ? "1 hospital" : `${hospitals} hospitals, ${percent(least)} to ${percent(most)} each`;
  return `${hits} of ${n} images${who}; ${where}`;
}
