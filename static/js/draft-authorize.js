/* Authorize and Done Authorizing on a form that is not saved: a pop-up, and the server's word for
   what became of it. Nothing typed is touched. Without this script both open a tab of their own. */
(function () {
  "use strict";

  var PAUSE = 2000;
  var LIFETIME = 10 * 60 * 1000;
  // How long the answer may take before a page that got the focus back says how things stand.
  var PATIENCE = 1500;
  var FEATURES = "popup=yes,width=620,height=760";

  var authorize = document.querySelector("button[data-draft-authorize]");
  var done = document.querySelector("button[data-draft-done]");
  var place = document.querySelector("[data-draft-says]");
  if (!authorize || !done || !place || !window.fetch || !window.connectedSystemsPopup) return;
  var form = authorize.form;
  var waiting = null;

  function send(button, more) {
    var typed = new FormData(form);
    typed.delete("logo");
    Object.keys(more || {}).forEach(function (name) { typed.set(name, more[name]); });
    button.setAttribute("aria-busy", "true");
    return fetch(button.formAction, {
      method: "POST",
      body: typed,
      headers: { Accept: "application/json" },
      credentials: "same-origin",
      redirect: "error"
    }).then(function (answer) {
      button.removeAttribute("aria-busy");
      var kind = answer.headers.get("Content-Type") || "";
      if (kind.indexOf("application/json") === 0) return answer.json();
      throw new Error(String(answer.status));
    }).catch(function (problem) {
      button.removeAttribute("aria-busy");
      throw problem;
    });
  }

  function unmark() {
    form.querySelectorAll("[data-marked]").forEach(function (field) {
      field.removeAttribute("aria-invalid");
      delete field.dataset.marked;
    });
  }

  function mark(names) {
    var first = null;
    names.forEach(function (name) {
      var field = document.getElementById("id_" + name);
      if (!field) return;
      field.setAttribute("aria-invalid", "true");
      field.dataset.marked = "1";
      first = first || field;
    });
    return first;
  }

  function reveal(field) {
    var folded = field.closest("details");
    if (folded) folded.open = true;
  }

  function show(said) {
    unmark();
    place.innerHTML = said.html;
    var box = place.querySelector(".says");
    if (said.tone !== "bad") {
      if (box) box.scrollIntoView({ block: "nearest" });
      return;
    }
    var field = mark(said.fields);
    if (field) {
      reveal(field);
      field.focus({ preventScroll: true });
    } else if (box) {
      box.focus({ preventScroll: true });
    }
    // The reason stays in sight; the field is marked and has the keyboard.
    if (box) box.scrollIntoView({ block: "nearest" });
  }

  function fail() {
    show({
      tone: "bad",
      fields: [],
      html: '<section class="says bad" role="alert" tabindex="-1"><h2>This site did not answer</h2>' +
        "<p>Nothing you typed is lost. You may be logged out, or the connection was cut: " +
        '<a href="/accounts/login/" target="_blank">log in in another tab</a>, then click again.</p></section>'
    });
  }

  function stop() {
    if (!waiting) return;
    window.clearInterval(waiting.timer);
    window.clearTimeout(waiting.returned);
    if (waiting.channel) waiting.channel.close();
    waiting = null;
  }

  function ask() {
    return send(done).then(function (said) {
      if (said.code !== "attempt_not_finished") stop();
      show(said);
    }).catch(fail);
  }

  function look() {
    var mine = waiting;
    if (!mine || mine.busy) return;
    if (Date.now() - mine.started > LIFETIME) { stop(); ask(); return; }
    mine.busy = true;
    fetch(authorize.dataset.draftStatus, { headers: { Accept: "application/json" }, cache: "no-store", credentials: "same-origin" })
      .then(function (answer) { return answer.ok ? answer.json() : null; })
      .then(function (status) {
        mine.busy = false;
        if (waiting !== mine || !status || !status.attempt) return;
        if (status.attempt === "open") {
          if (mine.returned) sayNotFinished();
          return;
        }
        stop();
        ask();
      })
      .catch(function () { mine.busy = false; });
  }

  function wait() {
    stop();
    waiting = { started: Date.now(), busy: false, channel: null, timer: 0, returned: 0 };
    if (typeof BroadcastChannel === "function") {
      waiting.channel = new BroadcastChannel("connected-systems");
      waiting.channel.onmessage = look;
    }
    waiting.timer = window.setInterval(function () {
      if (document.visibilityState === "visible") look();
    }, PAUSE);
  }

  // The window may be open behind this page, or closed: it is not asked, and nothing is claimed.
  function cameBack() {
    var mine = waiting;
    if (!mine || document.visibilityState !== "visible") return;
    window.clearTimeout(mine.returned);
    mine.returned = window.setTimeout(function () {
      if (waiting === mine) sayNotFinished();
    }, PATIENCE);
    look();
  }

  function sayNotFinished() {
    window.clearTimeout(waiting.returned);
    waiting.returned = 0;
    var said = place.querySelector("[data-not-finished]");
    if (!said) {
      said = document.createElement("p");
      said.dataset.notFinished = "";
      said.setAttribute("role", "status");
      (place.querySelector(".says") || place).append(said);
    }
    said.textContent = "Not finished yet. If you closed the window, open it again.";
  }

  window.addEventListener("focus", cameBack);
  document.addEventListener("visibilitychange", cameBack);

  authorize.addEventListener("click", function (event) {
    event.preventDefault();
    stop();
    var popup = window.connectedSystemsPopup("draft", FEATURES);
    send(authorize, popup ? {} : { popup: "blocked" }).then(function (said) {
      if (said.url && popup) popup.location.replace(said.url);
      else if (popup) popup.close();
      show(said);
      if (said.url) wait();
    }).catch(function () {
      if (popup) popup.close();
      fail();
    });
  });

  done.addEventListener("click", function (event) {
    event.preventDefault();
    ask();
  });

  // A field that was marked is no longer wrong once it is changed; whether it is right, Authorize tells.
  form.addEventListener("input", function (event) {
    if (event.target.dataset && event.target.dataset.marked) {
      event.target.removeAttribute("aria-invalid");
      delete event.target.dataset.marked;
    }
  });
})();
