// Runs the module for browsers in node, without a page: an answer or a problem of each file, a JSON line each.
// node scripts/wasm_predict.mjs MODULE.wasm MODEL.cxr FILE...      classifies; CXR_REPEAT=N times N answers of each
// node scripts/wasm_predict.mjs MODULE.wasm MODEL.cxr --time N         times N inferences
// node scripts/wasm_predict.mjs MODULE.wasm NETWORK.cxr --run FILE...   runs a network of `host import`
import { readFile } from "node:fs/promises";

const [program, model, ...rest] = process.argv.slice(2);
const isNetwork = rest[0] === "--run";
const inferences = rest[0] === "--time" ? Number(rest[1]) : 0;
const files = inferences ? [] : isNetwork ? rest.slice(1) : rest;
const repeat = Number(process.env.CXR_REPEAT ?? 1);
const module = await WebAssembly.compile(await readFile(program));
let exports = null;

function call(name, bytes, ...others) {
  const at = exports.input(bytes.length) >>> 0;
  new Uint8Array(exports.memory.buffer, at, bytes.length).set(bytes);
  exports[name](...others);
  const said = new Uint8Array(exports.memory.buffer, exports.output() >>> 0, exports.output_length() >>> 0);
  return JSON.parse(new TextDecoder().decode(said));
}

async function make() {
  ({ exports } = await WebAssembly.instantiate(module, { page: { now: () => performance.now() } }));
  return call(isNetwork ? "open_network" : "open_classifier", await readFile(model));
}

console.log(JSON.stringify(await make()));
if (inferences) console.log(JSON.stringify(call("time", Buffer.alloc(0), inferences)));
for (const file of files) {
  const bytes = await readFile(file);
  let line = null;
  try {
    let best = Infinity;
    for (let i = 0; i < repeat; i += 1) {
      const started = performance.now();
      line = isNetwork ? call("run_network", bytes, 0) : call("classify", bytes, 768);
      best = Math.min(best, performance.now() - started);
    }
    if (!isNetwork) line.milliseconds = best;
  } catch (error) {
    // A panic ends an instance.
    line = { type: "panic", detail: String(error) };
    await make();
  }
  console.log(JSON.stringify({ file, ...line }));
}
