/* The closing page of a pop-up: tell the pages that wait, then close. Messages carry no data. */
(function () {
  "use strict";
  if (typeof BroadcastChannel === "function") {
    var channel = new BroadcastChannel("connected-systems");
    channel.postMessage("look");
    channel.close();
  }
  var page = document.querySelector("[data-closing]");
  if (page) page.hidden = true;
  window.close();
  // Browsers close only windows that a script opened: where this one stays, it says what to do.
  window.setTimeout(function () {
    if (page) page.hidden = false;
  }, 500);
})();
