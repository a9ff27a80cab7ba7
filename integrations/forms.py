"""A Django form made from an integration's inputs; what was typed stays, also where it is wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from django import forms
from django.forms.utils import flatatt
from django.utils.html import format_html
from django.utils.safestring import SafeString

from integrations import files
from integrations.definition import Definition
from integrations.inputs import Input, NoFit, as_text, read_one

_DAY = re.compile(r"(?:\d{4}-\d{2}-\d{2})?")
_MOMENT = re.compile(r"(?:\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2})?)?")


class InputField(forms.Field):
    """One input as a form field: cleaned by the input's own rules, told in its own sentences."""

    def __init__(self, wanted: Input, typed: str) -> None:
        self.wanted = wanted
        super().__init__(
            required=wanted.required,
            label=wanted.title,
            help_text=wanted.help,
            initial=as_text(wanted, wanted.default),
            widget=_widget(wanted, typed),
        )

    def clean(self, value: Any) -> Any:
        try:
            return read_one(self.wanted, value, given=value is not None, texts=True)
        except NoFit as sentence:
            raise forms.ValidationError(str(sentence)) from None


def form_for(definition: Definition, given: Mapping[str, Any] | None = None) -> forms.Form:
    """The form of an integration; its field names are the input names.

    ``given``: what was typed, as texts; what is missing there shows its default. Without it the
    form is unbound.
    """
    texts = {each.name: as_text(each, each.default) for each in definition.inputs}
    texts.update(
        {
            each.name: _typed(each, given[each.name])
            for each in definition.inputs
            if given and each.name in given
        }
    )
    form = forms.Form(None if given is None else texts, label_suffix="")
    for each in definition.inputs:
        form.fields[each.name] = InputField(each, texts[each.name])
    return form


def _typed(wanted: Input, value: Any) -> str:
    return value if isinstance(value, str) else as_text(wanted, value)


def _widget(wanted: Input, typed: str) -> forms.Widget:
    """A widget that can show what was typed: a browser empties a number field that holds a word."""
    match wanted.type:
        case "boolean":
            return _select(wanted, [("true", "Yes"), ("false", "No")], typed)
        case "choice":
            known = [(choice.text, choice.label) for choice in wanted.choices]
            return _select(wanted, known, typed)
        case "list" if wanted.choices:
            return Several(
                choices=_with_others(
                    [(choice.text, choice.label) for choice in wanted.choices], typed.splitlines()
                )
            )
        case "list":
            attrs = {"rows": 4, "placeholder": "One a line", "spellcheck": "false"}
            return forms.Textarea(attrs=attrs)
        case "integer":
            return forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"})
        case "number":
            return forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"})
        case "date" if _DAY.fullmatch(typed):
            return forms.TextInput(attrs={"type": "date"})
        case "datetime" if _MOMENT.fullmatch(typed):
            return forms.TextInput(attrs={"type": "datetime-local", "step": "1"})
        case "file":
            return KeptFile()
        case "json":
            return forms.Textarea(attrs={"rows": 4, "spellcheck": "false"})
        case "text" if "\n" in typed or len(typed) > 100:
            return forms.Textarea(attrs={"rows": 4})
        case _:
            return forms.TextInput()


class Several(forms.CheckboxSelectMultiple):
    """Boxes of which several may be ticked; the value is their texts, one a line."""

    def format_value(self, value: Any) -> list[str]:
        return str(value or "").splitlines()

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        return "\n".join(data.getlist(name)) if hasattr(data, "getlist") else data.get(name)


class KeptFile(forms.Widget):
    """A file to choose; one that was chosen before is kept in the page: no browser does that."""

    needs_multipart_form = True

    def render(
        self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None
    ) -> SafeString:
        kept = self._kept(value)
        given = dict(attrs or {})
        if kept:
            given.pop("required", None)
        field = format_html('<input type="file" name="{}"{}>', name, flatatt(given))
        if not kept:
            return field
        return format_html(
            '{}<input type="hidden" name="{}" value="{}">'
            '<span class="help">Kept: <bdi>{}</bdi>. Choose another file to replace it.</span>',
            *(field, name, value, kept),
        )

    def _kept(self, value: Any) -> str:
        try:
            return files.told(files.fit(json.loads(value or "null")))
        except ValueError:
            return ""


def _with_others(known: list[tuple[str, str]], typed: list[str]) -> list[tuple[str, str]]:
    return [*known, *((each, each) for each in typed if each and each not in dict(known))]


def _select(wanted: Input, known: list[tuple[str, str]], typed: str) -> forms.Select:
    """A choice of the known values, and of what was typed in an address."""
    other = [] if not typed or typed in dict(known) else [(typed, typed)]
    return forms.Select(choices=_optional(wanted, [*known, *other]))


def _optional(wanted: Input, choices: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """A required choice with a default needs no empty one."""
    return choices if wanted.required and wanted.default is not None else [("", "—"), *choices]
