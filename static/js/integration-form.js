/* The integration's form: the request as it would be sent, and the test, which goes on by itself
   after an authorization. Nothing typed leaves the form: it is read, never reloaded. */
(function () {
  "use strict";

  var PAUSE = 350;

  function begin(section) {
    var form = section.closest("form");
    var panel = section.querySelector("[data-test-panel]");
    var testButton = section.querySelector("[data-test]");
    var place = section.querySelector("[data-test-inputs]");
    var preview = section.querySelector("[data-preview]");
    var line = section.querySelector("[data-preview-line]");
    var inputsArea = document.getElementById("id_inputs");
    var typed = JSON.parse((document.getElementById("test-values") || { textContent: "{}" }).textContent);
    var timer = 0;
    var asked = 0;

    function send(address) {
      return fetch(address, {
        method: "POST",
        body: new FormData(form),
        headers: { "X-Requested-With": "fetch" },
        credentials: "same-origin"
      });
    }

    // Preview

    function showPreview() {
      var number = (asked += 1);
      send(section.dataset.previewAddress)
        .then(function (answer) { return answer.ok ? answer.json() : null; })
        .then(function (told) {
          if (!told || number !== asked) return;
          line.textContent = told.line;
          preview.hidden = !told.line;
          offer(told.undeclared);
        })
        .catch(function () {});
    }

    function soon() {
      window.clearTimeout(timer);
      timer = window.setTimeout(showPreview, PAUSE);
    }

    /* Names in braces that are no inputs yet are offered as inputs. */
    function offer(names) {
      var old = document.getElementById("undeclared-inputs");
      if (old) old.remove();
      if (!names.length || !inputsArea) return;
      var offered = document.createElement("p");
      offered.id = "undeclared-inputs";
      offered.className = "panel-note";
      offered.append("Not declared yet: ");
      names.forEach(function (name) {
        var add = document.createElement("button");
        add.type = "button";
        add.className = "row-button";
        add.textContent = "Add input " + name;
        add.addEventListener("click", function () { declare(name); });
        offered.append(add);
      });
      inputsArea.parentElement.append(offered);
    }

    function declare(name) {
      var list = readInputs();
      if (!list) return;
      inputsArea.value = JSON.stringify(list.concat({ name: name }), null, 2);
      inputsArea.dispatchEvent(new Event("rows-changed"));
      inputsArea.dispatchEvent(new Event("input", { bubbles: true }));
    }

    // Test inputs

    function readInputs() {
      if (!inputsArea) return null;
      try {
        var list = JSON.parse(inputsArea.value.trim() || "[]");
        return Array.isArray(list) ? list.filter(function (each) { return each && typeof each === "object"; }) : null;
      } catch (_) {
        return null;
      }
    }

    function keep(event) {
      if (event.target.name) typed[event.target.name.slice(5)] = event.target.value;
    }

    function standard(each) {
      if (each.default === undefined || each.default === null) return "";
      if (each.type === "list" && Array.isArray(each.default)) return each.default.join("\n");
      return typeof each.default === "object" ? JSON.stringify(each.default) : String(each.default);
    }

    function control(each) {
      var value = each.name in typed ? typed[each.name] : standard(each);
      var options = each.type === "boolean" ? [["true", "Yes"], ["false", "No"]] : null;
      if (each.type === "choice" && Array.isArray(each.choices)) {
        options = each.choices.map(function (choice) {
          var isObject = choice && typeof choice === "object";
          return [String(isObject ? choice.value : choice), String(isObject ? choice.label || choice.value : choice)];
        });
      }
      var made = document.createElement(options ? "select" : each.type === "json" || each.type === "list" ? "textarea" : "input");
      (options ? [["", "—"]].concat(options) : []).forEach(function (pair) {
        made.append(new Option(pair[1], pair[0]));
      });
      made.name = "test-" + each.name;
      made.id = "id_test-" + each.name;
      made.value = value;
      return made;
    }

    function showTestInputs() {
      var list = readInputs();
      if (!list) return;
      var focused = document.activeElement && document.activeElement.id;
      place.replaceChildren();
      list.filter(function (each) { return each.name; }).forEach(function (each) {
        var made = control(each);
        var box = document.createElement("div");
        box.className = "test-input";
        var label = document.createElement("label");
        label.htmlFor = made.id;
        label.textContent = (each.label || each.name) + (each.required ? " *" : "");
        box.append(label, made);
        place.append(box);
      });
      var again = focused && document.getElementById(focused);
      if (again && place.contains(again)) again.focus();
    }

    // Test

    function test() {
      testButton.setAttribute("aria-busy", "true");
      testButton.disabled = true;
      send(section.dataset.address)
        .then(function (answer) {
          if (!answer.ok) throw new Error(String(answer.status));
          return answer.text();
        })
        .then(show)
        .catch(function () {
          say("This site did not answer. What you typed is still here: try again, or log in again. ");
        })
        .then(function () {
          testButton.removeAttribute("aria-busy");
          testButton.disabled = false;
        });
    }

    function say(words) {
      var told = document.createElement("p");
      told.className = "panel-alert";
      told.setAttribute("role", "alert");
      told.tabIndex = -1;
      told.textContent = words;
      var link = document.createElement("a");
      link.href = "/accounts/login/";
      link.target = "_blank";
      link.textContent = "Log in in another tab";
      told.append(link);
      panel.replaceChildren(told);
      told.focus({ preventScroll: true });
    }

    function show(html) {
      panel.innerHTML = html;
      window.makeTabs(panel);
      panel.querySelectorAll("a[data-authorize]").forEach(function (link) { link.target = "_blank"; });
      var problem = panel.querySelector("[role=alert]");
      if (problem) problem.focus({ preventScroll: true });
      panel.scrollIntoView({ block: "start", behavior: "smooth" });
    }

    testButton.addEventListener("click", function (event) {
      event.preventDefault();
      test();
    });
    place.addEventListener("input", keep);
    place.addEventListener("change", keep);
    place.addEventListener("keydown", function (event) {
      if (event.key !== "Enter" || event.target.tagName === "TEXTAREA") return;
      event.preventDefault();
      test();
    });
    panel.addEventListener("authorized", function (event) {
      event.preventDefault();
      test();
    });
    panel.addEventListener("click", function (event) {
      var link = event.target.closest("a[data-field]");
      var wanted = link && document.getElementById("id_" + link.dataset.field);
      if (!wanted) return;
      event.preventDefault();
      var target = wanted.hidden ? wanted.parentElement.querySelector("input, button") || wanted : wanted;
      target.focus({ preventScroll: true });
      (wanted.closest(".field-line") || target).scrollIntoView({ block: "center", behavior: "smooth" });
    });

    // Body: only where the method sends one, or where one is written

    function showBody() {
      var method = document.getElementById("id_method");
      var body = document.getElementById("id_body");
      var box = document.querySelector("fieldset.integration-body");
      if (!method || !body || !box) return;
      var sends = ["GET", "HEAD"].indexOf(method.value) < 0;
      box.hidden = !sends && !body.value.trim() && !box.querySelector(".errors");
    }

    form.addEventListener("input", function (event) {
      if (event.target.closest("[data-test-panel]")) return;
      if (event.target === inputsArea) showTestInputs();
      soon();
    });
    form.addEventListener("change", function () { showBody(); soon(); });
    if (window.django && window.django.jQuery) {
      window.django.jQuery(form).on("change", "select", soon);
    }
    showTestInputs();
    showBody();
    showPreview();
  }

  document.addEventListener("DOMContentLoaded", function () {
    document.querySelectorAll("[data-integration-test]").forEach(begin);
  });
})();
