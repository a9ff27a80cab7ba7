/* After a page with a problem has loaded, the keyboard stands at the problem. The admin's own script
   puts it into the form's first field, whenever it happens to arrive, so it is put there twice: now,
   and when everything has arrived, unless somebody has begun to type or point meanwhile. */
(function () {
  "use strict";

  var begun = false;

  function focus() {
    var problem = document.querySelector("[aria-invalid=true]:not([hidden])") || document.querySelector("[role=alert]");
    if (problem && !begun) problem.focus();
  }

  ["keydown", "pointerdown"].forEach(function (name) {
    document.addEventListener(name, function () { begun = true; }, { capture: true, once: true });
  });
  focus();
  window.addEventListener("load", focus, { once: true });
})();
