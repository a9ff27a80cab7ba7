/* Copy buttons: data-copy names the field whose value goes to the clipboard. */
(function () {
  "use strict";

  function say(button, text) {
    var before = button.dataset.label || button.textContent;
    button.dataset.label = before;
    button.textContent = text;
    window.setTimeout(function () { button.textContent = before; }, 2000);
  }

  function byHand(field) {
    field.focus();
    field.select();
    return document.execCommand("copy");
  }

  document.addEventListener("click", function (event) {
    var button = event.target.closest && event.target.closest("button[data-copy]");
    var field = button && document.getElementById(button.dataset.copy);
    if (!field) return;
    // Over plain http there is no clipboard to ask for.
    var copied = navigator.clipboard
      ? navigator.clipboard.writeText(field.value).then(function () { return true; }, function () { return byHand(field); })
      : Promise.resolve(byHand(field));
    copied.then(function (done) { say(button, done ? "Copied" : "Press Ctrl+C"); });
  });
})();
