/* Windows for another system's page, which gets no hold of the page that opened it. */
(function () {
  "use strict";
  if (window.connectedSystemsPopup) return;

  var windows = {};

  // First about:blank: only a window that is still ours lets its opener be taken away. And no window
  // names: a name would find an older window, which shows the other system's page by then.
  // Gives the window, whose location is to be set, or null where the browser blocked it.
  window.connectedSystemsPopup = function (purpose, features) {
    var earlier = windows[purpose];
    if (earlier) {
      try { earlier.close(); } catch (gone) { /* it is no longer ours to close */ }
    }
    var opened = window.open("about:blank", "_blank", features);
    windows[purpose] = opened;
    if (opened) opened.opener = null;
    return opened;
  };
})();
