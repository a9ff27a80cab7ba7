/* Find endpoints: asks for what an issuer's metadata offers, shows it, and fills fields on a click.
   Without this script the offers open in a tab of their own. */
(function () {
  "use strict";
  var button = document.querySelector("button[data-find]");
  var place = document.querySelector("[data-find-says]");
  if (!button || !place || !window.fetch) return;

  button.addEventListener("click", function (event) {
    event.preventDefault();
    if (button.getAttribute("aria-busy") === "true") return;
    var typed = new FormData(button.form);
    typed.delete("logo");
    button.setAttribute("aria-busy", "true");
    place.innerHTML = '<p class="help" role="status">Looking…</p>';
    fetch(button.formAction, { method: "POST", body: typed, headers: { Accept: "application/json" }, credentials: "same-origin", redirect: "error" })
      .then(function (answer) {
        if (!answer.ok) throw new Error(String(answer.status));
        return answer.json();
      })
      .then(function (said) { place.innerHTML = said.html; })
      .catch(function () {
        place.innerHTML = '<p class="says bad" role="alert" tabindex="-1">The search was cut short. Nothing you typed is lost. ' +
          '<button class="desk-button" type="button" data-again>Look again</button></p>';
      })
      .then(function () {
        button.removeAttribute("aria-busy");
        var problem = place.querySelector("[role=alert]");
        if (problem) problem.focus();
      });
  });

  // Enter in this field means the button beside it, not Save.
  document.getElementById("id_find_from").addEventListener("keydown", function (event) {
    if (event.key !== "Enter") return;
    event.preventDefault();
    button.click();
  });

  function empty(field) {
    return !field.value || (field.id === "id_issuer_in_response" && field.value === "optional");
  }

  place.addEventListener("click", function (event) {
    if (event.target.closest("[data-again]")) button.click();
    if (!event.target.closest("button[data-fill-empty]")) return;
    place.querySelectorAll("button[data-fill][data-empty]:not(:disabled)").forEach(function (offer) {
      var field = document.getElementById(offer.dataset.fill);
      if (field && empty(field)) offer.click();
    });
    event.target.disabled = true;
    document.getElementById("id_client_id").focus();
  });
})();
