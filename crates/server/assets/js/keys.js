// Keys beside the pointer: never in fields, and off for who switches them off.
const base = document.body.dataset.base;
const off = () => localStorage.getItem("ringback-keys") === "off";
const typing = element => element.matches("input:not([type=checkbox]), textarea, select, [contenteditable]");
const rows = () => [...document.querySelectorAll(".rows tbody tr, .ring-grid > li:not(.scale), .todo > li")].map(row => row.querySelector("a")).filter(Boolean);
const to = { n: "", l: "/leads", m: "/messages", w: "/workflows", q: "/queue" };
const HELP = [["Ctrl K", "Find or do"], ["g then n, l, c, m, w, q, r", "Now, Leads, Conversations, Messages, Workflows, Queue, Reports"], ["j, k", "Next, previous"], ["Enter", "Open"], ["/", "Words of the filter"], ["x, X", "Select; select up to here"], ["t", "I take this one"], ["r", "Reply"], ["Esc", "Close"]];
let after = 0;
function help() {
  let dialog = document.getElementById("keys");
  if (!dialog) {
    dialog = Object.assign(document.createElement("dialog"), { id: "keys" });
    const title = Object.assign(document.createElement("h2"), { textContent: "Keys" });
    const list = Object.assign(document.createElement("dl"), { className: "facts" });
    for (const [key, what] of HELP) list.append(Object.assign(document.createElement("dt"), { textContent: key }), Object.assign(document.createElement("dd"), { textContent: what }));
    const form = Object.assign(document.createElement("form"), { method: "dialog", className: "btns" });
    const toggle = Object.assign(document.createElement("button"), { type: "button", className: "btn" });
    const name = () => { toggle.textContent = off() ? "Switch single keys on" : "Switch single keys off"; };
    toggle.addEventListener("click", () => { localStorage.setItem("ringback-keys", off() ? "on" : "off"); name(); });
    name();
    form.append(toggle, Object.assign(document.createElement("button"), { className: "btn main", textContent: "Close" }));
    dialog.append(title, list, form);
    document.body.append(dialog);
  }
  dialog.showModal();
}
function move(by) {
  const all = rows(), at = all.findIndex(link => link.closest("tr, li") === document.activeElement?.closest("tr, li"));
  all[Math.min(Math.max(at + by, 0), all.length - 1)]?.focus();
}
document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || typing(event.target)) return;
  if (event.key === "?") { event.preventDefault(); return help(); }
  if (off() || document.querySelector("dialog[open]")) return;
  const going = Date.now() - after < 1500;
  after = 0;
  if (going && event.key in to) { event.preventDefault(); location = base + to[event.key]; return; }
  const row = document.activeElement?.closest("tr, .ring-grid > li");
  const press = element => { if (element) { event.preventDefault(); element.click(); } };
  switch (event.key) {
    case "g": after = Date.now(); break;
    case "j": event.preventDefault(); move(1); break;
    case "k": event.preventDefault(); move(-1); break;
    case "/": { const field = document.querySelector("main input[type=search]"); if (field) { event.preventDefault(); field.focus(); field.select(); } break; }
    case "x": case "X": press(row?.querySelector("input[type=checkbox]")); break;
    case "t": press((row ?? document).querySelector("button[formaction$='/take'], form[action$='/take'] button")); break;
    case "r": { const field = document.getElementById("say"); if (field) { event.preventDefault(); field.focus(); } break; }
  }
});
