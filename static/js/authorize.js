/* Authorization links: open a pop-up, wait for the truth from the server, and go on.
   Without this script, or where the pop-up is blocked, they are ordinary links that come back. */
(function () {
  "use strict";
  if (window.connectedSystemsAuthorize || !window.connectedSystemsPopup) return;
  window.connectedSystemsAuthorize = true;

  var PAUSE = 2000;
  // How long the answer may take before a page that got the focus back says how things stand.
  var PATIENCE = 1500;
  var LIFETIME = 10 * 60 * 1000;
  var FEATURES = "popup=yes,width=560,height=720";

  var waits = new Map();

  function say(link, text, code) {
    var block = link.closest(".authorization, article");
    var place = block && block.querySelector("[data-waiting]");
    if (!place) return;
    place.hidden = false;
    place.setAttribute("role", "status");
    if (code) place.dataset.code = code;
    else delete place.dataset.code;
    place.textContent = text;
  }

  // A page that has its own way to go on stops the event "authorized".
  function goOn(link) {
    if (!link.dispatchEvent(new CustomEvent("authorized", { bubbles: true, cancelable: true }))) return;
    var block = link.closest(".authorization");
    var form = block && block.querySelector("form[data-deliver]");
    if (form) form.submit();
    else if (link.dataset.next) window.location.assign(link.dataset.next);
    else window.location.reload();
  }

  // Whether the other window is still open is not asked: under some opener policies it looks closed
  // when it is not. Only the server knows how the attempt stands.
  function wait(link) {
    var started = Date.now();
    var before = link.dataset.attempt || "";
    var busy = false;
    var over = false;
    var returned = 0;
    var channel = typeof BroadcastChannel === "function" ? new BroadcastChannel("connected-systems") : null;

    function stop() {
      over = true;
      window.clearInterval(timer);
      window.clearTimeout(returned);
      window.removeEventListener("focus", cameBack);
      document.removeEventListener("visibilitychange", cameBack);
      if (channel) channel.close();
    }

    function sayNotFinished() {
      window.clearTimeout(returned);
      returned = 0;
      if (!over) say(link, "Not finished yet. If you closed the window, open it again.");
    }

    function cameBack() {
      if (over || document.visibilityState !== "visible") return;
      window.clearTimeout(returned);
      returned = window.setTimeout(sayNotFinished, PATIENCE);
      look();
    }

    function look() {
      if (busy || over) return;
      if (Date.now() - started > LIFETIME) {
        stop();
        say(link, "This took longer than ten minutes. Click again to start afresh.");
        return;
      }
      busy = true;
      fetch(link.dataset.status, { headers: { Accept: "application/json" }, cache: "no-store", credentials: "same-origin" })
        .then(function (answer) { return answer.ok ? answer.json() : null; })
        .then(function (status) {
          busy = false;
          if (over || !status) return;
          if (returned && status.attempt === "open") sayNotFinished();
          if (!status.reference || status.reference === before) return;
          if (status.attempt === "succeeded") {
            stop();
            goOn(link);
          } else if (status.attempt === "failed") {
            stop();
            before = status.reference;
            link.dataset.attempt = status.reference;
            say(link, "That did not work (" + status.reference + "). The other window says why; you can click again.");
          }
        })
        .catch(function () { busy = false; });
    }

    if (channel) channel.onmessage = look;
    var timer = window.setInterval(function () {
      if (document.visibilityState === "visible") look();
    }, PAUSE);
    window.addEventListener("focus", cameBack);
    document.addEventListener("visibilitychange", cameBack);
    return stop;
  }

  document.addEventListener("click", function (event) {
    var link = event.target.closest && event.target.closest("a[data-authorize][data-popup]");
    if (!link || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    var popup = window.connectedSystemsPopup(link.dataset.authorize, FEATURES);
    if (!popup) {
      say(link, "Your browser blocked the pop-up, so this page leads there itself and comes back.", "popup_blocked");
      return;
    }
    event.preventDefault();
    popup.location.replace(link.dataset.popup);
    say(link, "Waiting for your approval in the other window…");
    if (waits.has(link)) waits.get(link)();
    waits.set(link, wait(link));
  });
})();
