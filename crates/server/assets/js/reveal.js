// Shows one contact point for a minute. The post writes it down; without script the page comes back with it.
document.addEventListener("submit", async event => {
  const form = event.target;
  if (!form.matches("form[data-reveal]")) return;
  event.preventDefault();
  const mask = form.parentElement.querySelector(".mask");
  const answer = await fetch(form.action, { method: "POST", headers: { accept: "application/json" }, body: new URLSearchParams(new FormData(form, event.submitter)) });
  if (!answer.ok) return form.submit();
  const hidden = mask.textContent, { value } = await answer.json();
  mask.textContent = value;
  mask.setAttribute("role", "status");
  form.hidden = true;
  setTimeout(() => { mask.textContent = hidden; form.hidden = false; }, 60000);
});
