// Keeps the app's own files for when there is no network: what the door needs, and whatever else was opened. The network comes first, so nobody sees an old page who could have a new one.

const KEPT = "usher-1";
const DOOR = ["/", "/style.css", "/config.json", "/icon.svg", "/js/main.js", "/js/dom.js", "/js/i18n.js", "/js/api.js", "/js/config.js", "/js/session.js", "/js/parts.js", "/js/ticket.js", "/js/gate.js", "/js/qr/find.js", "/js/qr/decode.js", "/js/pages/door.js", "/js/words/en.js", "/js/words/de.js", "/js/words/hi.js"];
/** So long the network may take before what is kept is shown. */
const PATIENCE_MILLIS = 4000;

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(KEPT).then((cache) => cache.addAll(DOOR)).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(caches.keys().then((names) => Promise.all(names.filter((name) => name !== KEPT).map((name) => caches.delete(name)))).then(() => self.clients.claim()));
});

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || url.origin !== location.origin || /^\/(v1|dev|sandbox|live)(\/|$)/.test(url.pathname)) return;
  event.respondWith(answer(event.request));
});

async function answer(request) {
  const cache = await caches.open(KEPT);
  // Every address of the app is the same page.
  const kept = () => cache.match(request.mode === "navigate" ? "/" : request, { ignoreSearch: true });
  const late = new Promise((resolve) => setTimeout(() => resolve(undefined), PATIENCE_MILLIS));
  const fresh = fetch(request).then((found) => {
    if (found.ok && request.mode !== "navigate") cache.put(request, found.clone());
    return found;
  });
  try {
    return (await Promise.race([fresh, late])) ?? (await kept()) ?? (await fresh);
  } catch (why) {
    const found = await kept();
    if (found) return found;
    throw why;
  }
}
