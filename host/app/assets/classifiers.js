// Who answers: the server or this device. Both are objects of one interface, and nothing else of the page knows which it is.
//
// where          "server" or "device"
// title, note    what the page says of it beside the drop area
// atOnce         how many files it is given at once
// mostBytes(m)   bytes of the largest file, where `m` is what is known of the model
// prepare()      gets ready, so that the first answer does not wait
// classify(file, previewPixels, signal)
//                the answer that openapi.json calls a Prediction, the same bytes from either; throws a Failure, or the signal's reason

import { device, fetchWith } from "./device.js";
import * as remote from "./server.js";

/** What this page was given: "server", "device", or both; `host serve` and `host site` write it. */
const offered = document.querySelector("meta[name=classifier]")?.content.split(" ") ?? ["server"];

/** All who can answer here, the first by default. */
export const classifiers = offered.map((name) => (name === "device" ? device : remote.server));

/** Is there a server behind this page? */
export const hasServer = offered.includes("server");
/** Can networks be tried here? */
export const hasDevice = offered.includes("device");

if (hasServer) fetchWith(remote.file);

/** The one that answered last time, if it is offered. */
export function preferred() {
  let where = null;
  try { where = localStorage.getItem("where"); } catch { /* storage may be forbidden */ }
  return classifiers.find((one) => one.where === where) ?? classifiers[0];
}

/** Keeps the choice. */
export function prefer(chosen) {
  try { localStorage.setItem("where", chosen.where); } catch { /* lasts as long as the page */ }
}

/** What is known of the model: from the server, or as it was written beside the page. */
export async function model() {
  if (hasServer) return remote.model();
  const response = await fetch("model.json");
  return response.json();
}
