/* After a page with a problem has loaded, the keyboard stands at the problem. */
(function () {
  "use strict";
  var problem = document.querySelector("[aria-invalid=true]") || document.querySelector("[role=alert]");
  if (problem) problem.focus();
})();
