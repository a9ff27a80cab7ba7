/* One box for all: data-check-all names the checkboxes that it checks. Without script it stays hidden. */
(function () {
  "use strict";
  document.querySelectorAll("[data-check-all]").forEach(function (all) {
    var boxes = Array.prototype.filter.call(
      all.form.querySelectorAll("input[name='" + all.dataset.checkAll + "']"),
      function (box) { return !box.disabled; }
    );
    function look() {
      var checked = boxes.filter(function (box) { return box.checked; }).length;
      all.checked = checked > 0 && checked === boxes.length;
      all.indeterminate = checked > 0 && checked < boxes.length;
    }
    all.closest("label").hidden = boxes.length < 2;
    all.addEventListener("change", function () {
      boxes.forEach(function (box) { box.checked = all.checked; });
    });
    all.form.addEventListener("change", look);
    look();
  });
})();
