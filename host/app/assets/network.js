// Any network of `host import`, tried on this device: what it answers, and where its time and memory go.

import { openNetwork, runNetwork } from "./device.js";
import { el, say } from "./dom.js";

/** An imported network by its name; the classifier's own files are told by their content. */
export const isNetwork = ({ name }) => /\.cxr$/i.test(name);

/** What a picture's levels may become; the place in the list is the module's number for it. */
const VALUES = ["all bytes of the input", "0 to 1", "-1 to 1", "0 to 255"];
const MOST_SHOWN = 10;

const count = (number) => number.toLocaleString("en");
const shape = (extents) => extents.join(" \u00d7 ");

/** What an output stands for: the real number behind a byte, where it has a scale. */
const real = ({ scale, zero_point: zero }, value) => (typeof scale === "number" ? (value - (zero ?? 0)) * scale : value);

/** The largest values of an output: [place, value, real value]. */
const largest = (output) => output.values.map((value, i) => [i, value, real(output, value)]).sort((a, b) => b[1] - a[1]).slice(0, MOST_SHOWN);

/** The section of a network; pictures go to it while it is open. */
export class NetworkPanel {
  constructor(section) {
    this.section = section;
    this.about = null;
    this.last = null;
  }

  get isOpen() {
    return this.about !== null;
  }

  async open(file) {
    try {
      this.about = await openNetwork(file);
    } catch (error) {
      say(`${file.name}: ${error.message}`, true);
      return;
    }
    this.name = file.name;
    this.last = null;
    this.values = this.about.values;
    this.render();
    this.section.hidden = false;
    this.section.querySelector("h2").focus();
    say(`${file.name} opened: pictures now go through it`);
  }

  close() {
    this.about = null;
    this.section.hidden = true;
    this.section.replaceChildren();
    document.getElementById("files").focus();
    say("Network closed: pictures are classified again");
  }

  /** Runs files, the last one's answer is shown. */
  async run(files) {
    for (const { file, name } of files) {
      try {
        this.last = { name, file, ...await runNetwork(file, this.values) };
        say(`${name}: ${this.last.milliseconds.toFixed(2)} ms`);
      } catch (error) {
        say(`${name}: ${error.message.replace(/^image: /, "")}`, true);
      }
    }
    if (this.isOpen) this.render();
  }

  render() {
    const { about, last } = this;
    const port = ({ name, type, shape: extents }) => `${name}: ${type}, ${shape(extents)}`;
    const facts = [
      ["Imported from", `${about.source}, ${about.arithmetic} arithmetic`],
      ["Input", about.inputs.map(port).join("; ")],
      ["Output", about.outputs.map(port).join("; ")],
      ["Arena", `${count(about.arena_bytes)} bytes`],
      ["Weights", `${count(about.weights_bytes)} bytes`],
      ["Multiplications", count(about.macs)],
      ["File", `${count(about.bytes)} bytes`],
    ];
    const select = el("select", { onchange: (event) => this.choose(Number(event.target.value)) },
      VALUES.map((name, i) => el("option", { value: i, selected: i === this.values }, name)));
    this.section.replaceChildren(
      el("div", { class: "network-head" },
        el("h2", { tabindex: "-1" }, `Network ${this.name}`),
        el("button", { type: "button", onclick: () => this.close() }, "Close the network")),
      el("p", {}, "Pictures, and arrays saved as .npy, go through this network until it is closed. It runs on this device. Its answers mean what its makers say; ",
        el("strong", {}, "research software, not a medical device.")),
      el("dl", { class: "facts" }, facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)))),
      el("label", { class: "network-values" }, "A picture's levels become ", select),
      el("div", { class: "network-answer", "aria-live": "polite" }, last ? this.answer(last) : el("p", { class: "muted" }, "Drop a picture to see its outputs, and the time of each layer.")),
      this.layers(about, last));
  }

  answer(last) {
    return [
      el("h3", {}, last.name),
      el("p", {}, `${last.milliseconds.toFixed(2)} ms an inference, measured over ${last.runs}.`),
      last.outputs.map((output) => el("table", { class: "data" },
        el("caption", {}, `${output.name}: ${output.type}, ${shape(output.shape)}${output.values.length > MOST_SHOWN ? `; the ${MOST_SHOWN} largest of ${count(output.values.length)}` : ""}`),
        el("thead", {}, el("tr", {}, ["Place", "Value", "Stands for"].map((name) => el("th", { scope: "col" }, name)))),
        el("tbody", {}, largest(output).map(([place, value, stands]) => el("tr", {},
          el("th", { scope: "row" }, this.about.labels[place] ?? String(place)), el("td", {}, String(value)), el("td", {}, String(Number(stands.toPrecision(6)))))))))
    ];
  }

  layers(about, last) {
    const all = last?.layers.reduce((sum, one) => sum + one, 0) ?? 0;
    const rows = about.layers.map((layer, i) => {
      const kept = layer.rows_kept * layer.shape[1] * layer.shape[2];
      const time = last?.layers[i];
      const fill = el("span", { class: "bar-fill" });
      fill.style.setProperty("--share", all > 0 ? time / all : 0);
      return el("tr", {},
        el("th", { scope: "row" }, `${i} ${layer.kind || layer.operator}`, el("small", {}, layer.name)),
        el("td", {}, shape(layer.shape)), el("td", { class: "number" }, count(layer.macs)), el("td", { class: "number" }, count(layer.weights_bytes)),
        el("td", { class: "number" }, count(kept)),
        el("td", { class: "number" }, time === undefined ? "" : time.toFixed(3)),
        el("td", { class: "share" }, last ? el("span", { class: "bar", "aria-hidden": "true" }, fill) : null));
    });
    return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Layers" }, el("table", { class: "data layers" },
      el("caption", {}, "Layers in order. Kept: bytes of its output that wait for later layers. Time: its share of the clock"),
      el("thead", {}, el("tr", {}, ["Layer", "Output", "Multiplications", "Weights, bytes", "Kept, bytes", "Time, ms", "Share"].map((name) => el("th", { scope: "col" }, name)))),
      el("tbody", {}, rows)));
  }

  choose(values) {
    this.values = values;
    if (this.last) this.run([this.last]);
  }
}
