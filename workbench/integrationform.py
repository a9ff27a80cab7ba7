"""The form of an integration: the bundle's keys as fields, and each mistake at its own field."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Final

from django import forms
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from connectedsystems import json as strict_json
from connectedsystems.bounds import TYPED
from connectedsystems.diagnosis import FIELDS
from connectedsystems.errors import ConfigurationInvalid
from connectedsystems.models import ConnectedSystem
from connectedsystems.written import Box, Errors
from integrations.definition import (
    DEFAULT_TIMEOUT,
    LONGEST_TIMEOUT,
    METHODS,
    Definition,
    body_kind,
    parse,
)
from integrations.models import Integration

DEFINED: Final = (
    "method",
    "path",
    "parameters",
    "headers",
    "body",
    "content_type",
    "inputs",
    "timeout",
    "success",
    "error_message",
    "result",
    "pagination",
    "idempotency_key",
)
"""The keys that are no columns, in the order of the screen."""

_UNNAMED: Final = "untitled"
CONTENT_TYPES: Final = (
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "text/plain",
    "application/xml",
)
"""What the content type's field offers."""

_ROOT = re.compile(r"[a-z_]+")
_MEMBER = re.compile(r"\[(\d+)\]\.?|\.")


def read_json(text: str, example: str) -> Any:
    """What JSON says. Raises ValidationError that tells where it stops being JSON."""
    try:
        return strict_json.read(text, TYPED)
    except strict_json.NotJson as mistake:
        wish = f" Write it such as {example}." if mistake.is_syntax else ""
        raise forms.ValidationError(f"{mistake}{wish}") from None


def as_json(value: Any) -> str:
    """A value as somebody would write it."""
    return json.dumps(value, indent=2, ensure_ascii=False)


class JsonField(forms.CharField):
    """JSON in a text area, which a script may turn into rows; what was typed comes back as it is.

    ``rows`` names the kind of rows: ``pairs`` or ``inputs``; "" for a plain text area.
    """

    def __init__(self, *, rows: str, empty: Any, example: str, **more: Any) -> None:
        self.empty = empty
        self.example = example
        attributes = {"rows": 3, "spellcheck": "false", "placeholder": example}
        if rows:
            attributes["data-rows"] = rows
        widget = UnfoldAdminTextareaWidget(attributes)
        super().__init__(required=False, widget=widget, **more)

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, str):
            return value
        return as_json(value) if value else ""

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(self.to_python(data) != (initial or self.empty))
        except forms.ValidationError:
            return True

    def to_python(self, value: Any) -> Any:
        text = str(value or "").strip()
        if not text:
            return self.empty
        found = read_json(text, self.example)
        if not isinstance(found, type(self.empty)):
            kind = "a list" if isinstance(self.empty, list) else "an object"
            raise forms.ValidationError(f"This must be {kind}, such as {self.example}.")
        return found


class IntegrationForm(forms.ModelForm):
    """Checks what was written against the chosen system; ``definition`` is what it says.

    ``definition`` is there as soon as the call can be made, also where name or slug are missing.
    """

    definition: Definition | None = None

    method = forms.ChoiceField(
        choices=[(each, each) for each in METHODS],
        initial="GET",
        required=False,
        widget=UnfoldAdminSelectWidget(),
    )
    path = forms.CharField(
        required=False,
        max_length=2000,
        widget=UnfoldAdminTextInputWidget({"spellcheck": "false", "placeholder": "/contacts"}),
        help_text="Joined to the system's base URL. {name} is filled with the input of that name.",
    )
    parameters = JsonField(
        rows="pairs",
        empty={},
        example='{"limit": "{limit}"}',
        help_text="The query of the address. One whose {input} has no value is left out.",
    )
    headers = JsonField(
        rows="pairs",
        empty={},
        example='{"X-Version": "2"}',
        help_text="The system's own headers and the authentication are added.",
    )
    content_type = forms.CharField(
        label="Content type",
        required=False,
        max_length=200,
        initial="application/json",
        widget=UnfoldAdminTextInputWidget({"spellcheck": "false", "list": "content-types"}),
        help_text="How the body is written: JSON, form fields, fields and files, or text.",
    )
    body = forms.CharField(
        required=False,
        strip=False,
        widget=UnfoldAdminTextareaWidget(
            {
                "rows": 5,
                "spellcheck": "false",
                "data-rows": "pairs",
                "data-rows-with": "application/x-www-form-urlencoded",
            }
        ),
        help_text="A JSON tree such as {&quot;text&quot;: &quot;{text}&quot;}, form fields as a"
        " JSON object, or text. With multipart/form-data a member may be a file:"
        " {&quot;filename&quot;: &quot;note.txt&quot;, &quot;content&quot;: &quot;{text}&quot;}."
        " A member whose {input} has no value is left out.",
    )
    inputs = JsonField(
        rows="inputs",
        empty=[],
        example='[{"name": "limit", "type": "integer", "default": 20}]',
        help_text="What a user gives it. Their label and help are shown on its page.",
    )
    timeout = forms.FloatField(
        label="Time limit",
        required=False,
        initial=DEFAULT_TIMEOUT,
        widget=UnfoldAdminIntegerFieldWidget({"min": 1, "max": LONGEST_TIMEOUT, "step": "any"}),
        help_text=f"Seconds for the whole call, repeats included: 1 to {LONGEST_TIMEOUT}.",
    )
    success = forms.CharField(
        label="Success rule",
        required=False,
        widget=UnfoldAdminTextInputWidget({"spellcheck": "false", "placeholder": "ok == `true`"}),
        help_text="A JMESPath of the answer that must be true, for systems that tell a failure"
        " inside a 200. Empty: a 2xx status is a success.",
    )
    error_message = forms.CharField(
        label="Error message",
        required=False,
        widget=UnfoldAdminTextInputWidget({"spellcheck": "false", "placeholder": "error.text"}),
        help_text="A JMESPath of the words by which this system tells a failure; people read them"
        " as its words. Empty: they are looked for where most systems write them.",
    )
    result = forms.CharField(
        required=False,
        widget=UnfoldAdminTextInputWidget(
            {"spellcheck": "false", "placeholder": "items[].{name: name, mail: email}"}
        ),
        help_text="A JMESPath of what is given of the answer, on the page and as"
        " <b>result.data</b>. Empty: all of it.",
    )
    pagination = JsonField(
        rows="",
        empty={},
        example='{"style": "link", "items": "items"}',
        help_text="For a list that comes in pages. <b>style</b>: link, cursor, page or offset;"
        " <b>items</b>: a JMESPath of a page's list; <b>parameter</b>: the name under which"
        " cursor, page or offset is sent; <b>next</b>: a JMESPath of the next cursor, or of the"
        " next page's address; <b>first</b>: the first page's number; <b>size</b>: a shorter page"
        " is the last; <b>max_pages</b>: 1 to 100, else 10.",
    )
    idempotency_key = forms.CharField(
        label="Idempotency key",
        required=False,
        widget=UnfoldAdminTextInputWidget(
            {"spellcheck": "false", "placeholder": "Idempotency-Key"}
        ),
        help_text="The header by which this system knows a repeated write, if it has one:"
        " a write is then repeated after a fault of the network.",
    )

    class Meta:
        model = Integration
        fields: ClassVar[list[str]] = ["connected_system", "name", "slug", "usage"]

    def is_multipart(self) -> bool:
        """The test's inputs stand in the same form, and may be files."""
        return True

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        for name, value in shown(self.instance.definition).items():
            self.initial.setdefault(name, value)
        self.fields[
            "slug"
        ].help_text = "Its address: /integrations/<b>slug</b>/, and its name in code."
        self.fields["usage"].help_text = (
            "Queries run when their page opens, and may be repeated. What modifies data is sent"
            " once, on a click, and kept where an authorization is missing."
        )
        system = self.fields["connected_system"]
        system.widget.attrs["data-system"] = ""
        if isinstance(system.widget, RelatedFieldWidgetWrapper):
            system.widget.can_delete_related = system.widget.can_view_related = False

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        self._check_slug(str(cleaned.get("slug") or ""))
        body = self._body(cleaned)
        system = cleaned.get("connected_system")
        if system is None or any(name in self.errors for name in (*DEFINED, "usage")):
            return cleaned
        written = {name: cleaned.get(name) for name in DEFINED if name != "body"}
        rest = {k: v for k, v in written.items() if v not in (None, "", [], {})}
        if rest.get("timeout") == int(rest.get("timeout", 0)):
            rest["timeout"] = int(rest["timeout"])
        if body is not None:
            rest["body"] = body
        self._parse(system, {**rest, "usage": cleaned["usage"]})
        self.instance.definition = rest
        return cleaned

    def _check_slug(self, slug: str) -> None:
        errors = Errors()
        if slug and "slug" not in self.errors:
            Box({"slug": slug}, "", errors).slug()
        for sentence in errors.get("slug", []):
            self.add_error("slug", _sentence(sentence))

    def _body(self, cleaned: Mapping[str, Any]) -> Any:
        text = str(cleaned.get("body") or "")
        kind = body_kind(str(cleaned.get("content_type") or "application/json"))
        if not text.strip():
            return None
        if kind == "text":
            return text.replace("\r\n", "\n")
        try:
            return read_json(text, '{"text": "{text}"}')
        except forms.ValidationError as invalid:
            self.add_error("body", invalid)
            return None

    def _parse(self, system: ConnectedSystem, data: Mapping[str, Any]) -> None:
        named = {"slug": _UNNAMED, "name": _UNNAMED, "connected_system": system.slug}
        try:
            parsed = parse({**named, **data}, system.parsed())
        except ConfigurationInvalid as invalid:
            self._show(invalid)
            return
        slug = str(self.cleaned_data.get("slug") or _UNNAMED)
        name = str(self.cleaned_data.get("name") or _UNNAMED)
        self.definition = replace(parsed, slug=slug, name=name)

    def _show(self, invalid: ConfigurationInvalid) -> None:
        for key, sentences in invalid.errors.items():
            found = _ROOT.match(key)
            name = found.group() if found and found.group() in self.fields else None
            where = self._where(key[found.end() :] if found else "")
            for sentence in sentences:
                self.add_error(name, f"{where}: {sentence}" if where else _sentence(sentence))

    def _where(self, rest: str) -> str:
        """Which member of a field: ``[0].default`` is "Input 1 (limit), default"."""
        parts: list[str] = []
        for part in _MEMBER.sub(r" \1 ", rest).split():
            parts.append(self._input(int(part)) if part.isdecimal() and not parts else part)
        return ", ".join(parts)

    def _input(self, index: int) -> str:
        boxes = self.cleaned_data.get("inputs") or []
        box = boxes[index] if index < len(boxes) else None
        name = box.get("name") if isinstance(box, dict) else ""
        return f"Input {index + 1} ({name})" if name else f"Input {index + 1}"


def shown(definition: Mapping[str, Any]) -> dict[str, Any]:
    """What is stored, as the fields show it."""
    values = {name: definition[name] for name in DEFINED if definition.get(name) is not None}
    body = values.get("body")
    kind = body_kind(str(values.get("content_type") or "application/json"))
    if body is not None and not (kind == "text" and isinstance(body, str)):
        values["body"] = as_json(body)
    return values


def label_of(name: str) -> str:
    """A field's words on the screen."""
    return FIELDS.get(name) or name.replace("_", " ").capitalize()


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
