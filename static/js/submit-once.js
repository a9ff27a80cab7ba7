/* A form that modifies data: a second click while the first is under way does nothing. */
(function () {
  "use strict";
  document.querySelectorAll("form[data-submit-once]").forEach(function (form) {
    var sent = false;
    form.addEventListener("submit", function (event) {
      if (sent) event.preventDefault();
      sent = true;
      var button = form.querySelector("button[type=submit]");
      if (button) button.setAttribute("aria-busy", "true");
    });
    window.addEventListener("pageshow", function () {
      sent = false;
      var button = form.querySelector("button[type=submit]");
      if (button) button.removeAttribute("aria-busy");
    });
  });
})();
