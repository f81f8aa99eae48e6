// Keeps the page for use without a network. `host site` writes VERSION and FILES (path: SHA-256) above this line.

const NAME = `cxr ${VERSION}`;
const scope = new URL("./", self.location);
/** Of the two modules a browser needs one. */
const wanted = new URL(self.location).searchParams.get("module");
const kept = Object.keys(FILES).filter((path) => !path.endsWith(".wasm") || path === `./device/${wanted}`);

const hex = (bytes) => Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");

/** Fetches a file of this very version: while a site is being replaced its files are of two. */
async function fetched(path) {
  const response = await fetch(new URL(path, scope), { cache: "no-store" });
  if (!response.ok) throw new Error(`${path}: status ${response.status}`);
  const body = await response.arrayBuffer();
  const sha256 = hex(await crypto.subtle.digest("SHA-256", body));
  if (sha256 !== FILES[path]) throw new Error(`${path}: of another version`);
  // Without what a host adds: a redirect could not be given to a navigation.
  return new Response(body, { headers: { "content-type": response.headers.get("content-type") ?? "application/octet-stream" } });
}

async function install() {
  const cache = await caches.open(NAME);
  await Promise.all(kept.map(async (path) => cache.put(new URL(path, scope), await fetched(path))));
}

async function activate() {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith("cxr ") && name !== NAME).map((name) => caches.delete(name)));
  await self.clients.claim();
}

async function answer(request) {
  const url = new URL(request.url);
  url.search = "";
  url.hash = "";
  // Hosts have several names for a page.
  if (url.href === new URL("index.html", scope).href) url.href = scope.href;
  if (url.href === new URL("report", scope).href) url.href = new URL("report.html", scope).href;
  return await (await caches.open(NAME)).match(url.href) ?? fetch(request);
}

self.addEventListener("install", (event) => event.waitUntil(install()));
self.addEventListener("activate", (event) => event.waitUntil(activate()));
self.addEventListener("fetch", (event) => {
  if (event.request.method === "GET" && event.request.url.startsWith(scope.href)) event.respondWith(answer(event.request));
});
