/* Text areas with JSON, [data-rows=pairs] or [data-rows=inputs], become rows to fill in.
   The text area stays what is sent: each change is written into it, and "Edit as JSON" shows it.
   What the rows cannot show (or what is no JSON yet) is left as text. */
(function () {
  "use strict";

  var TYPES = ["text", "integer", "number", "boolean", "date", "datetime", "choice", "list", "file", "json"];

  function element(name, attributes, children) {
    var made = document.createElement(name);
    Object.keys(attributes || {}).forEach(function (key) {
      if (attributes[key] === true) made.setAttribute(key, "");
      else if (attributes[key] !== false) made.setAttribute(key, attributes[key]);
    });
    (children || []).forEach(function (child) { made.append(child); });
    return made;
  }

  function button(text, label, act) {
    var made = element("button", { type: "button", class: "row-button", "aria-label": label || text }, [text]);
    made.addEventListener("click", act);
    return made;
  }

  function field(label, control, wide) {
    control.setAttribute("aria-label", label);
    return element("label", { class: wide ? "row-field wide" : "row-field" }, [element("span", {}, [label]), control]);
  }

  function text(value, attributes) {
    var made = element("input", Object.assign({ type: "text", autocomplete: "off", spellcheck: "false" }, attributes));
    made.value = value;
    return made;
  }

  function isPlain(value) {
    return ["string", "number", "boolean"].indexOf(typeof value) >= 0;
  }

  /* A value whose text was not touched keeps its type: 20 stays a number. */
  function asTyped(original, typed) {
    return isPlain(original) && String(original) === typed ? original : typed;
  }

  var pairs = {
    add: "Add a row",
    empty: {},
    fits: function (tree) {
      return tree !== null && typeof tree === "object" && !Array.isArray(tree) && Object.values(tree).every(function (value) {
        return isPlain(value) || (Array.isArray(value) && value.length && value.every(isPlain));
      });
    },
    split: function (tree) {
      return Object.keys(tree).flatMap(function (name) {
        return [].concat(tree[name]).map(function (value) { return { name: name, value: value }; });
      });
    },
    row: function (item) {
      var name = text(item.name || "", { placeholder: "Name", "aria-label": "Name" });
      var value = text(item.value === undefined ? "" : String(item.value), { placeholder: "Value or {input}", "aria-label": "Value" });
      var row = element("div", { class: "row pair" }, [name, value]);
      row.read = function () {
        if (!name.value && !value.value) return null;
        return { name: name.value.trim(), value: asTyped(item.value, value.value) };
      };
      return row;
    },
    join: function (items) {
      var tree = {};
      items.forEach(function (item) {
        tree[item.name] = item.name in tree ? [].concat(tree[item.name], item.value) : item.value;
      });
      return tree;
    }
  };

  function choicesAsText(choices) {
    return (choices || []).map(function (each) {
      return isPlain(each) ? String(each) : each.value + (each.label ? " = " + each.label : "");
    }).join("\n");
  }

  function choicesFrom(typed, original) {
    if (typed === choicesAsText(original)) return original;
    return typed.split("\n").map(function (line) { return line.trim(); }).filter(Boolean).map(function (line) {
      var at = line.indexOf(" = ");
      return at < 0 ? line : { value: line.slice(0, at).trim(), label: line.slice(at + 3).trim() };
    });
  }

  function defaultFrom(type, typed) {
    if (type === "integer" && /^[+-]?\d{1,15}$/.test(typed)) return Number(typed);
    if (type === "number" && typed !== "" && isFinite(Number(typed))) return Number(typed);
    if (type === "boolean" && /^(true|false)$/i.test(typed)) return typed.toLowerCase() === "true";
    if (type === "list" && typed.trim().charAt(0) !== "[") return [typed];
    if (type === "json" || type === "list") {
      try { return JSON.parse(typed); } catch (_) { return typed; }
    }
    return typed;
  }

  var KNOWN = ["name", "type", "required", "default", "label", "help", "choices"];

  var inputs = {
    add: "Add an input",
    empty: [],
    fits: function (tree) {
      return Array.isArray(tree) && tree.every(function (item) {
        return item !== null && typeof item === "object" && !Array.isArray(item) &&
          Object.keys(item).every(function (key) { return KNOWN.indexOf(key) >= 0; });
      });
    },
    split: function (tree) { return tree; },
    row: function (item) {
      var name = text(item.name || "", { placeholder: "limit" });
      var type = element("select", {}, TYPES.map(function (each) { return element("option", { value: each }, [each]); }));
      type.value = item.type || "text";
      var required = element("input", { type: "checkbox" });
      required.checked = item.required === true;
      var told = item.default === undefined || item.default === null ? "" : item.default;
      var standard = text(typeof told === "object" ? JSON.stringify(told) : String(told));
      var label = text(item.label || "", { placeholder: "How many", spellcheck: "true" });
      var help = text(item.help || "", { spellcheck: "true" });
      var choices = element("textarea", { rows: "3", placeholder: "open = Still open\nclosed" });
      choices.value = choicesAsText(item.choices);
      var choicesField = field("Choices, one a line: value = label", choices, true);
      function showChoices() { choicesField.hidden = type.value !== "choice" && type.value !== "list" && !choices.value; }
      type.addEventListener("change", showChoices);
      showChoices();
      var check = element("label", { class: "row-check" }, [required, element("span", {}, ["Required"])]);
      var row = element("div", { class: "row input" }, [
        field("Name", name), field("Type", type), field("Default", standard), check,
        field("Label", label), field("Help", help), choicesField
      ]);
      row.read = function () {
        var read = { name: name.value.trim() };
        if (type.value !== "text") read.type = type.value;
        if (required.checked) read.required = true;
        if (standard.value !== "") read.default = defaultFrom(type.value, standard.value);
        if (label.value) read.label = label.value;
        if (help.value) read.help = help.value;
        if (choices.value.trim()) read.choices = choicesFrom(choices.value, item.choices);
        return read.name || Object.keys(read).length > 1 ? read : null;
      };
      return row;
    },
    join: function (items) { return items; }
  };

  var KINDS = { pairs: pairs, inputs: inputs };

  function parsed(kind, area) {
    if (!area.value.trim()) return kind.empty;
    try {
      var tree = JSON.parse(area.value);
      return kind.fits(tree) ? tree : undefined;
    } catch (_) {
      return undefined;
    }
  }

  function edit(area) {
    var kind = KINDS[area.dataset.rows];
    var list = element("div", { class: "row-list" });
    var asText = false;
    var add = button(kind.add, "", function () { append({}, true); });
    var swap = button("Edit as JSON", "", function () { asText = !asText; show(); });
    var editor = element("div", { class: "row-editor" }, [list, element("div", { class: "row-buttons" }, [add, swap])]);

    function write() {
      var items = Array.prototype.map.call(list.children, function (row) { return row.read(); }).filter(Boolean);
      area.value = items.length ? JSON.stringify(kind.join(items), null, 2) : "";
      area.dispatchEvent(new Event("input", { bubbles: true }));
    }

    function append(item, focused) {
      var row = kind.row(item);
      var remove = button("Remove", "Remove this row", function () {
        row.remove();
        write();
        add.focus();
      });
      remove.classList.add("row-remove");
      row.append(remove);
      row.addEventListener("input", function (event) { event.stopPropagation(); write(); });
      row.addEventListener("change", function (event) { event.stopPropagation(); write(); });
      list.append(row);
      if (focused) row.querySelector("input").focus();
    }

    function show() {
      var wanted = area.dataset.rowsWith;
      var type = document.getElementById("id_content_type");
      var applies = !wanted || (type && type.value.split(";")[0].trim() === wanted);
      var tree = asText || !applies ? undefined : parsed(kind, area);
      var rows = tree !== undefined;
      area.hidden = rows;
      editor.hidden = !applies;
      list.hidden = add.hidden = !rows;
      swap.textContent = rows ? "Edit as JSON" : "Edit as rows";
      swap.setAttribute("aria-label", swap.textContent);
      swap.disabled = !rows && parsed(kind, area) === undefined;
      list.replaceChildren();
      if (rows) kind.split(tree).forEach(function (item) { append(item, false); });
    }

    area.after(editor);
    area.addEventListener("input", function () {
      if (!area.hidden) swap.disabled = parsed(kind, area) === undefined;
    });
    area.addEventListener("rows-changed", show);
    if (area.dataset.rowsWith) {
      document.addEventListener("change", function (event) {
        if (event.target.id === "id_content_type") show();
      });
    }
    show();
    asText = area.value.trim() !== "" && area.hidden === false && !area.dataset.rowsWith;
  }

  document.addEventListener("DOMContentLoaded", function () {
    document.querySelectorAll("textarea[data-rows]").forEach(edit);
  });
})();
