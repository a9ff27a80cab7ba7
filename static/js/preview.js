/* The preview beside the form: asks for the requests that the typed values lead to, a moment after
   typing stopped and while it is unfolded. Secrets stay in the page. */
(function () {
  "use strict";
  var box = document.querySelector("details[data-preview-address]");
  if (!box || !window.fetch) return;
  var place = box.querySelector("[data-preview-shown]");
  var form = box.closest("form");
  var timer = 0;
  var asked = 0;

  function show() {
    if (!box.open) return;
    var number = (asked += 1);
    var typed = new FormData(form);
    typed.delete("logo");
    form.querySelectorAll("input[type=password]").forEach(function (each) { typed.delete(each.name); });
    fetch(box.dataset.previewAddress, { method: "POST", body: typed, headers: { Accept: "application/json" }, credentials: "same-origin", redirect: "error" })
      .then(function (answer) {
        if (!answer.ok) throw new Error(String(answer.status));
        return answer.json();
      })
      .then(function (said) { if (number === asked) place.innerHTML = said.html; })
      .catch(function () {});
  }

  function soon() {
    window.clearTimeout(timer);
    timer = window.setTimeout(show, 400);
  }

  box.addEventListener("toggle", show);
  form.addEventListener("input", soon);
  form.addEventListener("change", soon);
  show();
})();
