// Select all of a page, and with shift up to here. The boxes are plain ones; the form works without this.
let last;
document.addEventListener("click", event => {
  const box = event.target.closest?.("table input[type=checkbox]");
  if (!box) return;
  const boxes = [...box.closest("table").querySelectorAll("tbody input[type=checkbox]")];
  if (box.closest("thead")) boxes.forEach(one => { one.checked = box.checked; });
  else if (event.shiftKey && boxes.includes(last)) {
    const [from, until] = [boxes.indexOf(last), boxes.indexOf(box)].sort((a, b) => a - b);
    boxes.slice(from, until + 1).forEach(one => { one.checked = box.checked; });
  }
  last = box;
});
// A select that filters sends its form; the button beside it is for pages without script.
document.addEventListener("change", event => { if (event.target.matches("select[data-go]")) event.target.form.requestSubmit(); });
