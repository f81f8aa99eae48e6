// Runs the module, one call at a time. The first message brings it and the model; each other one is a question.

/** Memory never shrinks: beyond this an instance is replaced. */
const MOST_BYTES = 384 * 2 ** 20;

let module = null;
let model = null;
let network = null;
let instance = null;

const text = ({ memory, output, output_length: length }) =>
  new TextDecoder().decode(new Uint8Array(memory.buffer, output() >>> 0, length() >>> 0));

/** Gives bytes to a call; its answer, or its problem. */
function call(name, bytes, ...rest) {
  const { exports } = instance;
  const at = exports.input(bytes.length) >>> 0;
  new Uint8Array(exports.memory.buffer, at, bytes.length).set(bytes);
  const isAnswer = exports[name](...rest);
  const value = JSON.parse(text(exports));
  return isAnswer ? { value } : { problem: value };
}

async function make() {
  instance = await WebAssembly.instantiate(module, { page: { now: () => performance.now() } });
  const opened = call("open_classifier", model);
  if (opened.value && network) call("open_network", network);
  return opened;
}

/** What became of a call that the module did not survive. */
function broken(error) {
  let said = "";
  // Its memory is still there: a panic left its message.
  try { said = text(instance.exports); } catch { /* nothing was said */ }
  return said
    ? { type: "urn:cxr:problem:damaged", title: "The image is damaged", detail: "image: its decoder gave up: replace the file or leave it out" }
    : { type: "urn:cxr:problem:too-large", title: "Larger than this browser takes", detail: `image: the browser ended the work (${error.message}): give a smaller picture` };
}

async function answer(question) {
  if (!instance) {
    const { problem } = await make();
    if (problem) return { problem };
  }
  const bytes = new Uint8Array(await question.file.arrayBuffer());
  const started = performance.now();
  try {
    const result = call(question.call, bytes, ...question.arguments);
    if (result.value && question.call === "open_network") network = bytes;
    if (result.value && question.call === "classify") result.value.milliseconds = performance.now() - started;
    if (instance.exports.memory.buffer.byteLength > MOST_BYTES) instance = null;
    return result;
  } catch (error) {
    const problem = broken(error);
    instance = null;
    return { problem };
  }
}

let last = Promise.resolve();
onmessage = ({ data }) => {
  last = last.then(async () => {
    if (data.module) {
      ({ module } = data);
      model = new Uint8Array(data.model);
      return;
    }
    postMessage(await answer(data).catch((error) => ({ problem: { title: "The page failed", detail: String(error.message ?? error) } })));
  });
};
