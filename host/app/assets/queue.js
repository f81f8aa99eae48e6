// The images of this tab and their way to whoever classifies them. Nothing outlives the tab.

import { Failure } from "./failure.js";
import { isPassedOver } from "./files.js";
import { decodePreview, drawThumbnail, firstView } from "./viewer.js";

const PREVIEW_PIXELS = 768;
/** Pictures that are kept for looking at; others are read again. A thousand would take a gigabyte. */
export const MOST_PICTURES = 64;

/**
 * Images one after the other: id, name, file, state, result, problem, time, picture, thumbnail, view.
 * `events` is told: `changed(item)`, `finished(item)`, `passedOver(item)`.
 */
export class Queue {
  constructor(classifier, events) {
    this.items = [];
    this.classifier = classifier;
    this.events = events;
    /** What is known of the model, once it is. */
    this.model = null;
    /** Files of folders that were no images. */
    this.passedOver = 0;
    this.lastId = 0;
    this.running = new Map();
  }

  /** Takes files: `{ file, name, found }` each. */
  add(list) {
    for (const one of list) {
      this.lastId += 1;
      this.items.push({ id: this.lastId, ...one, state: "waiting", time: new Date() });
    }
    this.next();
  }

  next() {
    while (this.running.size < this.classifier.atOnce) {
      const item = this.items.find((one) => one.state === "waiting");
      if (!item) return;
      item.state = "working";
      const control = new AbortController();
      this.running.set(item, control);
      this.events.changed(item);
      this.run(item, control.signal).finally(() => {
        this.running.delete(item);
        this.next();
      });
    }
  }

  async run(item, signal) {
    try {
      const result = await this.answer(item, signal);
      Object.assign(item, { state: "done", time: new Date() });
      this.show(item, result);
    } catch (error) {
      if (!(error instanceof Failure) && !signal.aborted) console.error(error);
      const problem = signal.aborted ? CANCELLED : error.problem ?? { title: "The page failed", detail: String(error.message ?? error) };
      // Who classifies knows the bytes only; the name stayed here.
      const detail = problem.detail?.replace(/^image(?=: )/, item.name);
      Object.assign(item, { state: "error", problem: { ...problem, detail }, time: new Date() });
    }
    if (!this.items.includes(item)) return;
    if (item.problem && isPassedOver(item, item.problem)) {
      this.passedOver += 1;
      this.events.passedOver(item);
    } else {
      this.events.finished(item);
    }
  }

  async answer(item, signal) {
    const most = this.classifier.mostBytes(this.model);
    if (item.file.size > most) {
      const detail = `${item.name} has ${Math.ceil(item.file.size / 2 ** 20)} MiB; up to ${most / 2 ** 20} are taken.`;
      throw new Failure({ title: "Larger than is taken here", status: 413, detail });
    }
    return this.classifier.classify(item.file, PREVIEW_PIXELS, signal);
  }

  /** Keeps an answer, its pixels apart from it. */
  show(item, { preview, ...result }) {
    item.result = { ...result, image: item.name };
    item.picture = decodePreview(preview);
    item.view ??= firstView(item.picture);
    if (!item.thumbnail) {
      item.thumbnail = document.createElement("canvas");
      drawThumbnail(item.thumbnail, item.picture);
    }
    const kept = this.items.filter((one) => one.picture && one !== item);
    for (const one of kept.slice(0, Math.max(0, kept.length + 1 - MOST_PICTURES))) one.picture = null;
  }

  /** Reads the picture of an answer again. */
  async restore(item) {
    this.show(item, await this.answer(item));
  }

  /** Has an image classified once more. */
  retry(item) {
    Object.assign(item, { state: "waiting", problem: null });
    this.next();
  }

  /** Takes an image away, wherever it is. */
  remove(item) {
    this.items.splice(this.items.indexOf(item), 1);
    this.running.get(item)?.abort(new DOMException("removed", "AbortError"));
  }

  clear() {
    const all = this.items.splice(0);
    for (const item of all) this.running.get(item)?.abort(new DOMException("removed", "AbortError"));
    this.passedOver = 0;
  }

  /** Stops what waits and what runs; how many that were. */
  cancel() {
    const waiting = this.items.filter((item) => item.state === "waiting");
    for (const item of waiting) Object.assign(item, { state: "error", problem: CANCELLED, time: new Date() });
    const count = waiting.length + this.running.size;
    for (const control of this.running.values()) control.abort(new DOMException("cancelled", "AbortError"));
    return count;
  }

  /** How many are finished. */
  get done() {
    return this.items.filter(isFinished).length;
  }
}

const CANCELLED = { title: "Cancelled", detail: "Stopped before it was classified." };

/** An answer or an error is there. */
export const isFinished = (item) => item.state === "done" || item.state === "error";
