// The page hears that something changed, fetches its own parts and puts them in place. Focus, open details and what was typed stay.
const base = document.body.dataset.base;
const parts = () => [...document.querySelectorAll("[data-live]")].filter(part => part.id);
const sign = (name, text, off) => {
  for (const live of document.querySelectorAll("[data-live-sign]")) {
    live.classList.toggle("off", off);
    live.querySelector("use").setAttribute("href", "#s-" + name);
    live.lastElementChild.replaceChildren(text);
  }
};
const clock = () => new Date().toLocaleTimeString();

// Makes `old` like `fresh`, keeping every node that is the same thing.
function morph(old, fresh) {
  if (old.nodeType !== 1 || fresh.nodeType !== 1 || old.nodeName !== fresh.nodeName || old.id !== fresh.id) return old.replaceWith(fresh);
  if (old.isEqualNode(fresh)) return;
  for (const { name, value } of [...fresh.attributes]) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  if (old.matches("input, textarea, select") && (old === document.activeElement || old.value !== old.defaultValue)) return;
  const known = new Map([...old.children].filter(child => child.id).map(child => [child.id, child]));
  let at = old.firstChild;
  for (const child of [...fresh.childNodes]) {
    const same = child.id ? known.get(child.id) : at && !at.id && at.nodeName === child.nodeName ? at : null;
    if (!same) { old.insertBefore(child, at); continue; }
    if (same === at) at = at.nextSibling; else old.insertBefore(same, at);
    if (same.nodeType === 1) morph(same, child); else if (same.data !== child.data) same.data = child.data;
  }
  while (at) { const next = at.nextSibling; leave(at); at = next; }
}
// What is under the pointer or the focus stays until the hand is gone.
function leave(node) {
  if (node.nodeType === 1 && node.matches(":hover, :focus-within")) { node.setAttribute("aria-disabled", "true"); setTimeout(() => leave(node), 2000); }
  else node.remove();
}

let busy = false, again = false, last = 0;
async function refresh() {
  if (busy) { again = true; return; }
  const ids = parts().map(part => part.id);
  if (!ids.length) return;
  busy = true;
  await new Promise(done => setTimeout(done, Math.max(0, last + 250 - Date.now())));
  last = Date.now();
  try {
    const here = new URL(location);
    here.searchParams.set("fragment", ids.join(","));
    const answer = await fetch(here, { headers: { accept: "text/html" } });
    if (answer.redirected) return location.reload();
    if (answer.ok) {
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const before = new Set([...document.querySelectorAll("#ringing > [id]")].map(row => row.id));
      for (const part of parts()) { const fresh = page.getElementById(part.id); if (fresh) morph(part, document.importNode(fresh, true)); }
      for (const row of document.querySelectorAll("#ringing > [id]")) if (!before.has(row.id)) say(row);
      const count = document.querySelector("#menu .on")?.firstChild?.data;
      document.title = document.title.replace(/^\d+ ringing|^Now/, count ? count + " ringing" : "Now");
    }
  } finally {
    busy = false;
    if (again) { again = false; refresh(); }
  }
}
// Said aloud at most once in 10 seconds.
let said = 0;
function say(row) {
  const place = document.getElementById("said");
  if (!place || Date.now() - said < 10000) return;
  said = Date.now();
  place.textContent = [row.querySelector(".name")?.textContent + " rings", row.querySelector(".tier")?.textContent].filter(Boolean).join(", ");
}

// An alert stays at the foot of the page until a person acts on it or puts it away. Whoever took a lead ends it for the others.
const make = (name, props, ...inside) => { const node = Object.assign(document.createElement(name), props); node.append(...inside); return node; };
function alerted({ data }) {
  const told = JSON.parse(data);
  if (told.event === "lead_taken") {
    for (const toast of document.querySelectorAll(`.toast[data-lead="${told.lead}"]`)) { toast.replaceChildren(told.title); setTimeout(() => toast.remove(), 8000); }
    return;
  }
  const known = document.getElementById("alert-" + told.id), now = document.getElementById("now");
  if (known || now || !["high", "critical"].includes(told.urgency)) return;
  let place = document.querySelector(".toasts");
  if (!place) { place = make("section", { className: "toasts" }); place.setAttribute("aria-label", "Alerts"); document.body.append(place); }
  const does = told.actions.map(({ label, method, href }) => {
    if (method === "GET") return make("a", { className: "btn", href }, label);
    return make("form", { method: "post", action: href }, make("button", { className: "btn answer" }, label));
  });
  const away = make("button", { className: "btn", type: "button" }, "×");
  away.setAttribute("aria-label", "Put away: " + told.title);
  const toast = make("div", { className: "toast", id: "alert-" + told.id }, make("span", {}, told.title), make("span", { className: "btns" }, ...does, away));
  toast.dataset.lead = told.lead;
  away.addEventListener("click", () => toast.remove());
  place.append(toast);
  while (place.children.length > 3) place.firstChild.remove();
  const said = document.getElementById("said");
  if (said) said.textContent = told.title;
}

let lost = 0, wait;
function listen() {
  const source = new EventSource(base + "/live");
  source.addEventListener("open", () => { clearTimeout(wait); sign("delivered", "Live", false); if (lost) refresh(); lost = 0; });
  source.addEventListener("change", refresh);
  source.addEventListener("alert", alerted);
  source.addEventListener("error", () => {
    if (!lost) { lost = Date.now(); const from = clock(); wait = setTimeout(() => sign("sending", "Reconnecting, figures from " + from, false), 3000); }
    if (Date.now() - lost > 60000) { const link = document.createElement("a"); link.href = location; link.textContent = "Load again"; sign("failed", "Not live. ", true); document.querySelectorAll("[data-live-sign]").forEach(live => live.lastElementChild.append(link.cloneNode(true))); }
    if (source.readyState === 2) setTimeout(listen, 3000);
  });
  addEventListener("pagehide", () => source.close(), { once: true });
}
if (base) {
  listen();
  document.addEventListener("ringback:stale", refresh);
  addEventListener("pageshow", event => { if (event.persisted) location.reload(); });
}
