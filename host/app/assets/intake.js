// The ways in: dropped, chosen, pasted, photographed, drawn.

import { setUp as setUpCamera } from "./camera.js";
import { say } from "./dom.js";
import { chosen, dropped } from "./files.js";

const byId = (id) => document.getElementById(id);

/** Wires all ways in; `add` is given what comes: `{ file, name, found }` each. */
export function setUp(add) {
  const take = (files) => add(chosen(files));
  const drop = byId("drop");
  for (const id of ["files", "folder"]) {
    byId(id).addEventListener("change", (event) => {
      add(chosen(event.target.files));
      event.target.value = "";
    });
  }
  byId("folder-button").hidden = !("webkitdirectory" in byId("folder"));
  let depth = 0;
  const over = (event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragenter", (event) => { if (over(event)) { depth += 1; drop.classList.add("over"); } });
  addEventListener("dragleave", (event) => { if (over(event)) { depth -= 1; drop.classList.toggle("over", depth > 0); } });
  addEventListener("dragover", (event) => { if (over(event)) event.preventDefault(); });
  addEventListener("drop", (event) => {
    event.preventDefault();
    depth = 0;
    drop.classList.remove("over");
    dropped(event.dataTransfer).then(add).catch((error) => say(`The folder could not be read: ${error.message}`, true));
  });
  addEventListener("paste", (event) => {
    if (event.clipboardData?.files.length) {
      event.preventDefault();
      add(chosen(event.clipboardData.files));
    }
  });
  byId("paste").addEventListener("click", () => paste(take));
  document.querySelectorAll("[data-example]").forEach((button) => button.addEventListener("click", async () => {
    const name = button.dataset.example;
    const response = await fetch(`examples/${name}`);
    take([new File([await response.blob()], button.textContent.trim().toLowerCase().replace(" ", "-") + ".png", { type: "image/png" })]);
  }));
  setUpCamera(take);
}

async function paste(take) {
  try {
    const files = [];
    for (const entry of await navigator.clipboard.read()) {
      const type = entry.types.find((one) => one.startsWith("image/"));
      if (type) files.push(new File([await entry.getType(type)], "pasted.png", { type }));
    }
    if (files.length) take(files);
    else say("The clipboard holds no picture", true);
  } catch {
    say("The clipboard could not be read: press Ctrl and V instead", true);
  }
}
