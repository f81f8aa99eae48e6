// Classifies files/0, files/1, ... on this device, one after the other; the answers are the page's text.
import { device, moduleName } from "./assets/device.js";

const all = [];
const count = Number(new URLSearchParams(location.search).get("count"));
for (let i = 0; i < count; i += 1) {
  const bytes = await (await fetch(`files/${i}`)).arrayBuffer();
  all.push(await device.classify(new File([bytes], "image"), 768).catch((error) => error.problem ?? { detail: String(error) }));
}
document.getElementById("answers").textContent = JSON.stringify({ module: moduleName(), all });
