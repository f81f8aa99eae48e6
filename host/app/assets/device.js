// This device: the same classifier, compiled for the browser, in workers. Nothing that it is given leaves it.

import { Failure } from "./failure.js";
import { scriptUrl } from "./scripts.js";

/** A module of one function that uses a 128-bit vector: a browser takes it or not. */
const VECTORS = Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11);

/** The module for this browser; `?kernel=portable` in the page's address asks for the one without vectors. */
export function moduleName() {
  const plain = new URLSearchParams(location.search).get("kernel") === "portable";
  return !plain && WebAssembly.validate(VECTORS) ? "cxr.simd128.wasm" : "cxr.wasm";
}

/** What both parts of a worker's life need: the compiled module and the model's bytes. */
let parts = null;
let get = (path) => fetch(path);

/** How the model is fetched: a server may want its token. */
export function fetchWith(other) {
  get = other;
}

async function bytes(answer) {
  const response = await answer;
  if (!response.ok) throw new Failure({ title: "The classifier could not be loaded", detail: `${response.url}: status ${response.status}. Is the site whole? Write it again with host site.` });
  return response.arrayBuffer();
}

async function load() {
  // Some hosts serve .wasm under a type that compileStreaming refuses, so it is not used.
  const [code, model] = await Promise.all([bytes(fetch(`device/${moduleName()}`)), bytes(get("device/model.cxr"))]);
  return { module: await WebAssembly.compile(code), model };
}

function loaded() {
  parts ??= load().catch((error) => {
    parts = null;
    throw error instanceof Failure ? error : new Failure({ title: "The classifier could not be loaded", detail: String(error.message ?? error) });
  });
  return parts;
}

/** A worker and the one question that it is at. */
class Hand {
  constructor() {
    this.worker = null;
    this.settle = null;
  }

  async ask(question, signal) {
    const { module, model } = await loaded();
    signal?.throwIfAborted();
    if (!this.worker) {
      this.worker = new Worker(scriptUrl("assets/worker.js"), { type: "module" });
      this.worker.onmessage = ({ data }) => this.settle?.(data);
      this.worker.onerror = (event) => this.settle?.({ problem: { title: "The page failed", detail: event.message ?? "the worker did not start" } });
      this.worker.postMessage({ module, model });
    }
    return new Promise((resolve, reject) => {
      // A running call cannot be asked to stop: its worker ends, the next question makes another.
      const stop = () => {
        this.worker.terminate();
        this.worker = null;
        this.settle = null;
        reject(signal.reason);
      };
      signal?.addEventListener("abort", stop, { once: true });
      this.settle = ({ problem, value }) => {
        this.settle = null;
        signal?.removeEventListener("abort", stop);
        if (problem) reject(new Failure(problem));
        else resolve(value);
      };
      this.worker.postMessage(question);
    });
  }
}

const atOnce = Math.min(4, Math.max(1, (navigator.hardwareConcurrency ?? 2) - 1));
const idle = Array.from({ length: atOnce }, () => new Hand());
const waiting = [];

async function withHand(work) {
  const hand = idle.pop() ?? await new Promise((resolve) => waiting.push(resolve));
  try {
    return await work(hand);
  } finally {
    const next = waiting.shift();
    if (next) next(hand);
    else idle.push(hand);
  }
}

/** Who answers on this device: see classifiers.js. */
export const device = {
  where: "device",
  title: "On this device",
  note: "They stay on this device: this browser classifies them, nothing is sent anywhere.",
  atOnce,
  mostBytes: () => 256 * 2 ** 20,
  prepare: loaded,
  classify: (file, previewPixels, signal) => withHand((hand) => hand.ask({ call: "classify", file, arguments: [previewPixels] }, signal)),
};

/** Networks of `host import`: a hand of their own, since a worker keeps the one that it opened. */
const networks = new Hand();
export const openNetwork = (file) => networks.ask({ call: "open_network", file, arguments: [] });
export const runNetwork = (file, values) => networks.ask({ call: "run_network", file, arguments: [values] });
