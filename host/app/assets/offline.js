// The page without a network: sw.js keeps all its files, of one version together.

import { moduleName } from "./device.js";
import { say } from "./dom.js";
import { scriptUrl } from "./scripts.js";

/** Has the page's files kept, where the browser can; says once when all are. */
export async function keepOffline() {
  if (!("serviceWorker" in navigator)) return;
  try {
    const before = await navigator.serviceWorker.getRegistration();
    const registration = await navigator.serviceWorker.register(scriptUrl(`sw.js?module=${moduleName()}`));
    await navigator.serviceWorker.ready;
    document.body.dataset.offline = "yes";
    if (!before) say("This page now works without a network");
    registration.addEventListener("updatefound", () => {
      registration.installing?.addEventListener("statechange", ({ target }) => {
        if (target.state === "installed" && navigator.serviceWorker.controller) say("A newer version is here: close all tabs of this page, then open it again", true);
      });
    });
  } catch (error) {
    // It classifies all the same.
    console.info("not kept for use without a network:", error.message);
  }
}
