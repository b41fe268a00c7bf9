// Clocks count from data-since with the server's clock; lines grow with them. Without script they stand at the time of the page.
const ahead = Number(document.body.dataset.now || Date.now()) - Date.now();
const log = t => Math.log10(1 + Math.max(t, 0) / 10);
const place = t => t <= 3600 ? 91 * log(t) / log(3600) : Math.min(91 + 8 * (log(t) - log(3600)) / (log(86400) - log(3600)), 99);
const percent = t => place(t).toFixed(2) + "%";
const show = s => s < 3600 ? Math.floor(s / 60) + ":" + String(s % 60).padStart(2, "0") : s < 86400 ? Math.floor(s / 3600) + " h " + String(Math.floor(s % 3600 / 60)).padStart(2, "0") : null;
function tick() {
  if (document.hidden) return;
  const now = Date.now() + ahead;
  for (const clock of document.querySelectorAll("[data-since]")) {
    const text = show(Math.max(0, Math.floor((now - clock.dataset.since) / 1000)));
    if (text && clock.textContent !== text) clock.textContent = text;
  }
  for (const line of document.querySelectorAll("[data-line]")) {
    const waited = (now - line.dataset.line) / 1000, promise = Number(line.dataset.promise), over = line.querySelector(".over");
    if (promise && waited > promise && !over) document.dispatchEvent(new Event("ringback:stale"));
    const x = percent(waited);
    line.querySelector(".ring.over")?.setAttribute("x2", x);
    if (!over) line.querySelector(".ring")?.setAttribute("x2", x);
    for (const lamp of line.querySelectorAll(".lamp, .halo")) lamp.setAttribute("cx", x);
  }
}
setInterval(tick, 1000);
document.addEventListener("visibilitychange", tick);
tick();
