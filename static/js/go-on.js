/* A held submission whose authorization has just been given: deliver it, by POST, once. */
(function () {
  "use strict";
  var form = document.querySelector("form[data-go-on]");
  if (form) form.submit();
})();
