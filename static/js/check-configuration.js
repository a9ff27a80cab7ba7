/* Check configuration: sends the form as it is typed, and shows each step as soon as it is known.
   Without this script the list opens in a tab of its own. */
(function () {
  "use strict";
  var button = document.querySelector("button[data-check]");
  var place = document.querySelector("[data-check-says]");
  if (!button || !place || !window.fetch || !window.TextDecoder) return;

  function show(text) {
    place.innerHTML = '<ul class="checks">' + text + "</ul>";
  }

  function read(reader, decoder, text) {
    return reader.read().then(function (piece) {
      if (piece.value) {
        text += decoder.decode(piece.value, { stream: true });
        show(text);
      }
      return piece.done ? text : read(reader, decoder, text);
    });
  }

  button.addEventListener("click", function (event) {
    event.preventDefault();
    if (button.getAttribute("aria-busy") === "true") return;
    var typed = new FormData(button.form);
    typed.delete("logo");
    button.setAttribute("aria-busy", "true");
    place.innerHTML = '<p class="help" role="status">Looking…</p>';
    fetch(button.formAction, { method: "POST", body: typed, headers: { Accept: "application/json" }, credentials: "same-origin", redirect: "error" })
      .then(function (answer) {
        var kind = answer.headers.get("Content-Type") || "";
        if (kind.indexOf("application/json") === 0) {
          return answer.json().then(function (said) { place.innerHTML = said.html; });
        }
        if (!answer.ok) throw new Error(String(answer.status));
        return read(answer.body.getReader(), new TextDecoder(), "");
      })
      .catch(function () {
        place.innerHTML = '<p class="says bad" role="alert" tabindex="-1">The check was cut short. Nothing you typed is lost. ' +
          '<button class="desk-button" type="button" data-again>Look again</button></p>';
      })
      .then(function () {
        button.removeAttribute("aria-busy");
        var problem = place.querySelector("[role=alert]");
        if (problem) problem.focus();
      });
  });

  place.addEventListener("click", function (event) {
    if (event.target.closest("[data-again]")) button.click();
  });

  // What was found holds for the values that were looked at.
  button.form.addEventListener("input", function () {
    if (button.getAttribute("aria-busy") !== "true") place.innerHTML = "";
  });

  // A value that was found goes into its field only by a click on it.
  document.addEventListener("click", function (event) {
    var offer = event.target.closest && event.target.closest("button[data-fill]");
    var field = offer && document.getElementById(offer.dataset.fill);
    if (!field) return;
    var folded = field.closest("details");
    if (folded) folded.open = true;
    field.value = offer.dataset.value;
    field.dispatchEvent(new Event("change", { bubbles: true }));
    offer.disabled = true;
    field.focus();
  });

  // The link of a step leads into the form: unfold what hides the field, and go there.
  document.addEventListener("click", function (event) {
    var link = event.target.closest && event.target.closest(".says a[href^='#id_'], .checks a[href^='#id_'], .request-shown a[href^='#id_']");
    var field = link && document.getElementById(link.hash.slice(1));
    if (!field) return;
    event.preventDefault();
    var folded = field.closest("details");
    if (folded) folded.open = true;
    field.focus();
  });
})();
