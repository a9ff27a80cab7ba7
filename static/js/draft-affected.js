/* Before Save: asks whom the values in the form would touch, and says it above the save bar.
   Without this script, Save itself asks before it ends an authorization. */
(function () {
  "use strict";
  var place = document.querySelector("[data-affected]");
  var form = place && place.closest("form");
  if (!form || !window.fetch) return;
  var asked = 0;

  function ask() {
    var number = ++asked;
    var typed = new FormData(form);
    typed.delete("logo");
    fetch(place.dataset.affected, { method: "POST", body: typed, headers: { Accept: "application/json" }, credentials: "same-origin", redirect: "error" })
      .then(function (answer) { return answer.ok ? answer.json() : null; })
      .then(function (said) {
        // A later question has the newer values.
        if (number === asked) place.innerHTML = said && said.tone === "due" ? said.html : "";
      })
      .catch(function () { if (number === asked) place.innerHTML = ""; });
  }

  form.addEventListener("change", ask);
})();
