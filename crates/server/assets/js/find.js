// Ctrl K: go to a page, or look for a lead.
const base = document.body.dataset.base;
const opener = document.querySelector("[data-find]");
function open() {
  let dialog = document.getElementById("find");
  if (!dialog) {
    dialog = Object.assign(document.createElement("dialog"), { id: "find", className: "palette" });
    const form = Object.assign(document.createElement("form"), { action: base + "/leads", method: "get", role: "search" });
    const field = Object.assign(document.createElement("input"), { type: "search", name: "q", className: "input", placeholder: "A lead, a number or a page", autocomplete: "off" });
    field.setAttribute("aria-label", "Find a lead, a number or a page");
    field.setAttribute("role", "combobox");
    field.setAttribute("aria-expanded", "true");
    field.setAttribute("aria-controls", "found");
    const list = Object.assign(document.createElement("div"), { id: "found" });
    list.setAttribute("role", "listbox");
    list.setAttribute("aria-label", "Found");
    form.append(field, list);
    dialog.append(form);
    document.body.append(dialog);
    const pages = [...document.querySelectorAll("#menu a")].map(link => ({ text: link.firstChild.data.trim(), href: link.href }));
    let timer, leads = [], at = 0;
    const draw = () => {
      const words = field.value.trim().toLowerCase();
      const options = [...leads, ...pages.filter(page => page.text.toLowerCase().includes(words))].slice(0, 9);
      list.replaceChildren(...options.map((option, n) => {
        const row = Object.assign(document.createElement("div"), { id: "found-" + n, textContent: option.text });
        row.setAttribute("role", "option");
        row.setAttribute("aria-selected", n === at);
        row.addEventListener("click", () => { location = option.href; });
        return row;
      }));
      field.setAttribute("aria-activedescendant", "found-" + at);
      return options;
    };
    field.addEventListener("input", () => {
      at = 0; leads = []; draw(); clearTimeout(timer);
      const words = field.value.trim();
      if (words.length > 1) timer = setTimeout(async () => {
        const answer = await fetch(base + "/leads?fragment=list&q=" + encodeURIComponent(words));
        if (!answer.ok || field.value.trim() !== words) return;
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        leads = [...page.querySelectorAll("a.lead")].slice(0, 6).map(link => ({ text: link.textContent, href: link.getAttribute("href") }));
        draw();
      }, 150);
    });
    field.addEventListener("keydown", event => {
      if (event.key === "Escape") { event.preventDefault(); return dialog.close(); }
      const options = draw();
      if (event.key === "ArrowDown" || event.key === "ArrowUp") { event.preventDefault(); at = (at + (event.key === "ArrowDown" ? 1 : options.length - 1)) % Math.max(options.length, 1); draw(); }
      if (event.key === "Enter" && options[at]) { event.preventDefault(); location = options[at].href; }
    });
    dialog.addEventListener("close", () => { field.value = ""; leads = []; at = 0; draw(); });
    draw();
  }
  dialog.showModal();
}
opener?.addEventListener("click", event => { event.preventDefault(); open(); });
document.addEventListener("keydown", event => { if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") { event.preventDefault(); open(); } });
