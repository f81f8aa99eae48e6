// The server, whose interface openapi.json describes.

import { Failure } from "./failure.js";

let token = null;
let asking = null;

/** Asks for the token once, however many requests want it. */
function askForToken() {
  asking ??= new Promise((resolve) => {
    const dialog = document.getElementById("token-dialog");
    dialog.addEventListener("close", () => {
      token = document.getElementById("token").value.trim();
      asking = null;
      resolve(dialog.returnValue === "ok");
    }, { once: true });
    dialog.returnValue = "";
    dialog.showModal();
  });
  return asking;
}

const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));

/** Fetches; waits as told where the server is busy. */
async function request(path, options = {}) {
  for (let attempt = 0; ; attempt += 1) {
    const headers = { ...options.headers };
    if (token) headers.authorization = `Bearer ${token}`;
    let response;
    try {
      response = await fetch(path, { ...options, headers });
    } catch (error) {
      if (options.signal?.aborted) throw error;
      throw new Failure({ title: "No connection", status: 0, detail: "The server did not answer. Is it still running?" });
    }
    if (response.ok) return response;
    if (response.status === 401 && document.getElementById("token-dialog") && await askForToken()) continue;
    const wait = Number(response.headers.get("retry-after"));
    if ((response.status === 429 || response.status === 503) && wait > 0 && attempt < 6) {
      await pause(wait * (1 + attempt / 2));
      continue;
    }
    const problem = await response.json().catch(() => ({ title: `Status ${response.status}`, status: response.status }));
    throw new Failure(problem);
  }
}

/** What is known of the model. */
export const model = async () => (await request("api/v1/model")).json();

/** A file of the server that may need its token. */
export const file = (path) => request(path);

/** Opens the evaluation with its gallery, the answer to a click on a link to it: a link has no token, so a pass is asked for first. */
export async function openEvaluation(event) {
  event.preventDefault();
  const { href } = event.currentTarget;
  const elsewhere = event.ctrlKey || event.metaKey || event.shiftKey;
  await request("api/v1/evaluation-pass", { method: "POST" });
  if (elsewhere) window.open(href, "_blank", "noopener");
  else location.assign(href);
}

/** Who answers on the server: see classifiers.js. */
export const server = {
  where: "server",
  title: "On this server",
  note: "They go to this server's memory alone; nothing is stored.",
  atOnce: 2,
  mostBytes: (known) => known?.limits?.body_bytes ?? Infinity,
  prepare: async () => {},
  /** The name of the file stays here. */
  async classify(image, previewPixels, signal) {
    const type = image.type.startsWith("image/") ? image.type : "application/octet-stream";
    const path = `api/v1/predictions?maps=true&preview=${previewPixels}`;
    const response = await request(path, { method: "POST", headers: { "content-type": type }, body: image, signal });
    return (await response.json()).predictions[0];
  },
};
