// Addresses of scripts that are started by name: the policy allows no others.

const OWN = ["assets/worker.js", "sw.js"];

const address = (path) => {
  if (!OWN.includes(path.split("?")[0])) throw new TypeError(`${path} is no script of this page`);
  return new URL(path, document.baseURI).href;
};
const policy = globalThis.trustedTypes?.createPolicy("page", { createScriptURL: address });

/** The address of one of the page's own scripts. */
export const scriptUrl = (path) => (policy ? policy.createScriptURL(path) : address(path));
