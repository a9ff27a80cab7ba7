/* Sections in [data-tabs] become tabs named by their data-tab: arrow keys, Home and End move. */
(function () {
  "use strict";

  function choose(tabs, sections, wanted) {
    tabs.forEach(function (tab, index) {
      var chosen = index === wanted;
      tab.setAttribute("aria-selected", String(chosen));
      tab.tabIndex = chosen ? 0 : -1;
      sections[index].hidden = !chosen;
    });
  }

  function makeTabs(container) {
    var sections = Array.prototype.slice.call(container.querySelectorAll(":scope > [data-tab]"));
    var list = document.createElement("div");
    list.setAttribute("role", "tablist");
    var number = String(Date.now());
    var tabs = sections.map(function (section, index) {
      var tab = document.createElement("button");
      tab.type = "button";
      tab.setAttribute("role", "tab");
      tab.textContent = section.dataset.tab;
      tab.id = "tab-" + number + "-" + index;
      section.id = "panel-" + number + "-" + index;
      tab.setAttribute("aria-controls", section.id);
      section.setAttribute("role", "tabpanel");
      section.setAttribute("aria-labelledby", tab.id);
      var heading = section.querySelector("h3");
      if (heading) heading.hidden = true;
      tab.addEventListener("click", function () { choose(tabs, sections, index); });
      list.append(tab);
      return tab;
    });
    list.addEventListener("keydown", function (event) {
      var at = tabs.indexOf(document.activeElement);
      var steps = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 };
      if (at < 0 || !(event.key in steps)) return;
      event.preventDefault();
      var wanted = (steps[event.key] + tabs.length) % tabs.length;
      choose(tabs, sections, wanted);
      tabs[wanted].focus();
    });
    container.prepend(list);
    choose(tabs, sections, 0);
  }

  window.makeTabs = function (root) {
    root.querySelectorAll("[data-tabs]").forEach(makeTabs);
  };
  document.addEventListener("DOMContentLoaded", function () { window.makeTabs(document); });
})();
