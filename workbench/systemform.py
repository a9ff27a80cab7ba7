"""The form of a connected system: checked whole by Save, its secrets written and never shown."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

from django import forms
from django.core import signing
from django.utils.text import slugify
from django.views.decorators.debug import sensitive_variables
from unfold import widgets

from authlinks.question import Brought
from connectedsystems import configuration, noticed, saving
from connectedsystems.configuration import Configuration
from connectedsystems.diagnosis import CATALOGUE
from connectedsystems.errors import ConfigurationInvalid, Failure, VaultFailure
from connectedsystems.models import Authentication, ConnectedSystem, redirect_uri_of
from connectedsystems.saving import By, Saved, Wanted
from workbench import conflicts, discovering, holds, logos, systemfields, tries, typedsecrets
from workbench.affected import Affected, of_change
from workbench.conflicts import Conflict
from workbench.discovering import Answer
from workbench.says import Says, coded, mistakes
from workbench.systemfields import PLACES, SECRETS, Place

_SALT = "workbench.systemform"
ACCEPT_ENDING = "end_authorizations"
ACCEPT_UNTRIED = "save_untried"
ACCEPT_HOSTS = "accept_hosts"
AUTHENTICATIONS: Final = Authentication.choices


@dataclass(frozen=True, slots=True)
class Birth:
    """A form's public id, whose it is, when it was opened and what it shows: signed and hidden."""

    public_id: uuid.UUID
    at: datetime
    version: int | None = None
    """The version that the form shows; None for a new system."""

    @classmethod
    def now(cls, public_id: uuid.UUID, version: int | None = None) -> Birth:
        return cls(public_id, datetime.now(UTC), version)

    def signed(self, user: Any) -> str:
        """The hidden field's value for this user."""
        content = [self.public_id.hex, user.pk, self.at.timestamp(), self.version]
        return signing.dumps(content, salt=_SALT)

    @classmethod
    def read(cls, value: str, user: Any) -> Birth | None:
        """The birth in a hidden field's value; None where it is forged or somebody else's."""
        try:
            # A form that was opened before versions were noted has three parts.
            public_id, owner, at, *rest = signing.loads(value, salt=_SALT)
        except (signing.BadSignature, ValueError):
            return None
        if owner != user.pk:
            return None
        return cls(uuid.UUID(public_id), datetime.fromtimestamp(at, UTC), *rest)


@dataclass
class Typed:
    """What the form says, secrets merged with those that are stored or were typed before."""

    data: dict[str, Any]
    new_secrets: dict[str, Any] = field(repr=False)
    secrets: dict[str, Any] = field(repr=False)
    errors: dict[str, list[str]]
    unreadable: bool = False
    """Whether the stored secrets do not open."""

    @property
    def keeps_unreadable(self) -> bool:
        """Whether sealed secrets that do not open stay, since none was typed in their place."""
        return self.unreadable and not self.new_secrets


@sensitive_variables()
def typed(
    post: Mapping[str, str],
    system: ConnectedSystem | None,
    public_id: uuid.UUID,
    user: Any,
    session: tries.Session,
) -> Typed:
    """Read the form's values as they were posted; nothing is checked but their JSON."""
    written = systemfields.read(post, system.configuration if system else {})
    for key in systemfields.COLUMNS:
        written.data[key] = (post.get(key) or "").strip()
    written.data["authentication"] = written.data["authentication"] or "none"
    try:
        data, from_variables = configuration.split(written.data)
    except ConfigurationInvalid as invalid:
        data, from_variables = written.data, {}
        for key, texts in invalid.errors.items():
            written.errors.setdefault(systemfields.field_of(key), []).extend(texts)
    stored, unreadable = _stored(system)
    before = typedsecrets.kept(session, public_id, user)
    new = {**before, **written.secrets}
    variables = {**(before.get("variables") or {}), **(from_variables.get("variables") or {})}
    if variables:
        new["variables"] = variables
    return Typed(
        data=data,
        new_secrets=new,
        secrets=systemfields.merged_secrets(stored, new),
        errors=written.errors,
        unreadable=unreadable,
    )


def _stored(system: ConnectedSystem | None) -> tuple[dict[str, Any], bool]:
    if system is None:
        return {}, False
    try:
        return system.opened_secrets(), False
    except VaultFailure:
        return {}, True


def mistakes_in(invalid: ConfigurationInvalid) -> dict[str, list[str]]:
    """Sentences by the form's field, from those by key path."""
    found: dict[str, list[str]] = {}
    for key, texts in invalid.errors.items():
        name = systemfields.field_of(key)
        place = next((each for each in PLACES if each.name == name), None)
        rest = key[len(place.key) + 1 :] if place and key != place.key else ""
        found.setdefault(name, []).extend(f"{rest}: {text}" if rest else text for text in texts)
    return found


# Browsers take a form with several password fields for several forms, and complain.
_MASKED: Final = frozenset({"client_secret_next", "api_key_value", "basic_password"})


_COLUMN_HELP: Final = {
    "application": "Its designers may configure this system, its members may use it.",
    "slug": "Stands in addresses of this site. Left empty, it is made of the name.",
    "description": "What is to be had there; users see it.",
    "base_url": "What the addresses of all integrations begin with.",
    "authorization_message": "Shown beside the authorization link.",
}


def _widget(place: Place) -> forms.Widget:
    if place.kind == "choice":
        return widgets.UnfoldAdminSelectWidget(choices=place.choices)
    if place.kind == "json":
        attrs = {"rows": 3, "spellcheck": "false", "placeholder": place.example}
        return widgets.UnfoldAdminTextareaWidget(attrs=attrs)
    if place.kind == "secret":
        attrs = {"autocomplete": "off", "spellcheck": "false"}
        if place.name in _MASKED:
            return widgets.UnfoldAdminTextInputWidget(attrs={**attrs, "class": "masked"})
        return widgets.UnfoldAdminPasswordWidget(attrs=attrs)
    attrs = {"autocomplete": "off", "spellcheck": "false", "placeholder": place.example}
    if place.kind == "number":
        attrs["inputmode"] = "numeric"
    return widgets.UnfoldAdminTextInputWidget(attrs=attrs)


@dataclass(frozen=True, slots=True)
class Shown:
    """A field as a template shows it: with which authentications, and how to remove a secret."""

    field: forms.BoundField
    with_: str = ""
    remove: forms.BoundField | None = None


_FIRST: Final = frozenset(
    {
        "client_id",
        "client_secret",
        "authorization_endpoint",
        "token_endpoint",
        "discovery_url",
        "scope",
    }
)


class SystemForm(forms.ModelForm):
    """Fields are named as the bundle's keys; the class used carries whose and what was fetched."""

    user: ClassVar[Any] = None
    session: ClassVar[tries.Session] = {}
    fetched: ClassVar[Answer] = None
    """What the Discovery URL that was posted says, asked before a transaction began."""
    overtaken: ClassVar[int | None] = None
    """The version that this very form was about to write upon when somebody was first."""

    class Meta:
        model = ConnectedSystem
        fields = ("application", *systemfields.COLUMNS)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.says: Says | None = None
        self.typed: Typed | None = None
        self.parsed: Configuration | None = None
        self.attempt: Any = None
        self.result: Brought | None = None
        self.ended = 0
        self.unheard: Failure | None = None
        self.logo: logos.Logo | None = None
        self.was_saved = not self.instance._state.adding
        # The row as it is stored: the form puts what was posted into its own instance.
        self.stored = (
            ConnectedSystem.objects.filter(pk=self.instance.pk).first() if self.was_saved else None
        )
        self.conflict: Conflict | None = None
        self.birth = self._birth()
        self.typed_before = typedsecrets.kept(self.session, self.birth.public_id, self.user)
        self._add_fields()

    def _birth(self) -> Birth:
        given = Birth.read(self.data.get("public_id", ""), self.user) if self.is_bound else None
        if not self.was_saved:
            return given or Birth.now(uuid.uuid4())
        if given is None or given.public_id != self.instance.pk:
            return Birth.now(self.instance.pk, self.instance.version)
        return replace(given, version=self.overtaken or given.version or self.instance.version)

    @property
    def redirect_uri(self) -> str:
        return redirect_uri_of(self.birth.public_id)

    def _add_fields(self) -> None:
        if "slug" in self.fields:
            self.fields["slug"].required = False
            self.fields["authentication"].choices = AUTHENTICATIONS  # type: ignore[attr-defined]
            self._word_columns()
        values = dict(systemfields.shown(self.instance.configuration))
        self.fields["public_id"] = forms.CharField(widget=forms.HiddenInput, required=False)
        # A form that is bound shows what was posted, a forged public id included.
        self.initial["public_id"] = self.birth.signed(self.user)
        self.fields["logo"] = forms.FileField(
            required=False,
            widget=forms.FileInput(attrs={"accept": "image/png,image/jpeg,image/gif,image/webp"}),
            help_text="PNG, JPEG, GIF or WebP. It is drawn anew, at most 256 pixels wide.",
        )
        if self.instance.logo_etag:
            self.fields["logo_remove"] = _checkbox("Remove the logo")
        for place in PLACES:
            self.fields[place.name] = forms.CharField(
                required=False,
                label=place.label,
                help_text=place.help,
                widget=_widget(place),
                initial=values.get(place.name),
            )
        self._mark_secrets()
        self.fields[ACCEPT_ENDING] = _checkbox("End them and save")
        self.fields[ACCEPT_UNTRIED] = _checkbox("Save without authorizing again")
        self.fields[ACCEPT_HOSTS] = _checkbox("These hosts are the other system's")
        self._tell_what_was_found()

    def _tell_what_was_found(self) -> None:
        """What is left empty, as the metadata filled it at the last save."""
        stored = configuration.read(self.instance.as_data()) if self.was_saved else Configuration()
        for name, value in stored.discovered.items():
            self.fields[name].help_text = f"Left empty, it is as the metadata says: {value}"
            if not isinstance(self.fields[name].widget, forms.Select):
                self.fields[name].widget.attrs["placeholder"] = value

    def _word_columns(self) -> None:
        for name, help_text in _COLUMN_HELP.items():
            self.fields[name].label = systemfields.labelled(name)
            self.fields[name].help_text = help_text
        for name in ("description", "authorization_message"):
            self.fields[name].widget.attrs["rows"] = 3

    def _mark_secrets(self) -> None:
        stored, self.unreadable = _stored(self.instance if self.was_saved else None)
        for place in SECRETS:
            there = place.secret in stored or bool(self.typed_before.get(place.secret))
            here = self.fields[place.name]
            here.is_stored = there  # type: ignore[attr-defined]
            if not there:
                continue
            here.widget.attrs["placeholder"] = "Stored. Type here to replace it."
            self.fields[f"{place.name}_remove"] = _checkbox("Remove what is stored")

    # What the template shows

    @property
    def shown(self) -> dict[str, Shown]:
        """Every field by its name."""
        places = {place.name: place for place in PLACES}
        return {name: self._shown(name, places.get(name)) for name in self.fields}

    def _shown(self, name: str, place: Place | None) -> Shown:
        remove = f"{name}_remove"
        with_ = place.with_ if place else systemfields.EVERY
        return Shown(
            field=self[name],
            with_="" if with_ == systemfields.EVERY else " ".join(sorted(with_)),
            remove=self[remove] if remove in self.fields else None,
        )

    @property
    def advanced(self) -> list[Shown]:
        """The rest of the OAuth box."""
        return [
            self._shown(place.name, place)
            for place in PLACES
            if place.path[0] == "oauth" and place.name not in _FIRST
        ]

    @property
    def requests(self) -> list[Shown]:
        """What every request of this system carries."""
        return [self._shown(place.name, place) for place in PLACES if len(place.path) == 1]

    @property
    def advanced_is_open(self) -> bool:
        return any(each.field.errors for each in self.advanced)

    @property
    def requests_are_open(self) -> bool:
        # A preset's variables wait there to be filled in.
        asks = not self.was_saved and bool(self.initial.get("variables"))
        return asks or any(each.field.errors for each in self.requests)

    @property
    def confirm(self) -> forms.BoundField | None:
        """The checkbox that lets a held save go on."""
        return self[self.says.confirm[0]] if self.says and self.says.confirm else None

    @property
    def agreed(self) -> list[tuple[str, str]]:
        """What was agreed to before, to be posted along with the next agreement."""
        names = (ACCEPT_ENDING, ACCEPT_UNTRIED, ACCEPT_HOSTS)
        asked = self.says.confirm[0] if self.says and self.says.confirm else ""
        given = {name: self.data.get(name, "") for name in names if name != asked}
        return [(name, value) for name, value in given.items() if value and asked]

    # Checks

    def clean_name(self) -> str:
        return str(self.cleaned_data.get("name") or "").strip()

    def clean_slug(self) -> str:
        typed_slug = str(self.cleaned_data.get("slug") or "").strip()
        return typed_slug or slugify(self.cleaned_data.get("name") or "")[:64].strip("-")

    def clean_logo(self) -> Any:
        upload = self.cleaned_data.get("logo")
        if upload:
            try:
                self.logo = logos.read(upload)
            except logos.LogoRefused as refused:
                raise forms.ValidationError(str(refused)) from None
        return upload

    @sensitive_variables()
    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        self._check_birth()
        post = {**self._posted(), "slug": cleaned.get("slug") or ""}
        system = self.instance if self.was_saved else None
        said = typed(post, system, self.birth.public_id, self.user, self.session)
        for name, texts in said.errors.items():
            self._refuse(name, texts)
        try:
            self.parsed = configuration.parse(said.data)
        except ConfigurationInvalid as invalid:
            noticed.note_mistakes(invalid.errors)
            for name, texts in mistakes_in(invalid).items():
                self._refuse(name, texts)
        if self.parsed:
            self.parsed = self._completed(self.parsed, said)
            self._check_whole(self.parsed, said)
        self.typed = said
        return cleaned

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        if self.errors:
            self.says = mistakes(self._texts(), self._code())
        elif self.parsed and self.typed:
            self._check_consequences(self.parsed, self.typed)
        if self.errors:
            self._keep_what_was_typed()

    @sensitive_variables()
    def _keep_what_was_typed(self) -> None:
        """The page comes back with all of it but the secrets, which wait in the session."""
        if self.typed is None:
            return
        typedsecrets.keep(self.session, self.birth.public_id, self.user, self.typed.new_secrets)
        self.typed_before = typedsecrets.kept(self.session, self.birth.public_id, self.user)
        self._mark_secrets()
        shown = dict(systemfields.shown(self.typed.data))
        again = {"public_id": self.birth.signed(self.user)}
        # Text that is no JSON comes back as it was typed, unless a secret may stand in it.
        if "variables" not in self.errors or "secret" in self.data.get("variables", ""):
            again["variables"] = shown.get("variables", "")
        self.data = {**self._posted(), **again}

    def _posted(self) -> dict[str, str]:
        return {name: self.data.get(name, "") for name in self.data}

    def _check_birth(self) -> None:
        given = Birth.read(self.data.get("public_id", ""), self.user)
        if self.was_saved:
            return
        if given is None:
            self._refuse("public_id", ["This form was not opened by you. Open a new one."])
        elif ConnectedSystem.objects.filter(pk=given.public_id).exists():
            self._refuse("public_id", ["This form was saved already. Open the list of systems."])

    def _completed(self, parsed: Configuration, said: Typed) -> Configuration:
        """With what the Discovery URL says, in whatever is left open."""
        answer = self.fetched
        if isinstance(answer, Failure):
            self.unheard, answer = answer, discovering.heard_before(parsed, self.instance.pk)
            if answer is None:
                self._refuse("discovery_url", [discovering.sentence(self.unheard)])
                return parsed
        if answer and configuration.still_stands(answer, parsed):
            said.data["discovered"] = dict(answer)
            return configuration.read(said.data)
        return parsed

    def _check_whole(self, parsed: Configuration, said: Typed) -> None:
        if not parsed.base_url:
            self._refuse("base_url", ["needs a value: integrations call addresses under it."])
        said.secrets = systemfields.wanted_secrets(
            said.secrets, parsed.authentication, parsed.secret_variables
        )
        if said.keeps_unreadable:
            return
        stored = self.instance.secrets if self.was_saved else None
        if stored is not None and stored.key_missing:
            # Only this process lacks the key: writing would drop what the others can open.
            sentence = (
                "cannot be kept at the moment: the other secrets of this system are sealed under a"
                " key that is not in VAULT_KEYS here. Tell an admin."
            )
            self._refuse("client_secret", [sentence])
        for key in parsed.missing_secrets(said.secrets):
            self._refuse(systemfields.field_of(key), ["needs a value."])

    def _check_consequences(self, parsed: Configuration, said: Typed) -> None:
        """What a save would end, and whether what was tried is what is saved."""
        if self._hold_conflict(said):
            return
        self.attempt = tries.latest(self.birth.public_id, self.user, self.birth.at)
        self.result = tries.brought(self.attempt, self.session)
        if self.result and parsed.authentication == configuration.AUTHORIZATION_CODE:
            changed = tries.changes(self.attempt, said.data)
            if changed:
                self.result = None
            if changed and not self.cleaned_data.get(ACCEPT_UNTRIED):
                self._hold(holds.untried(changed, ACCEPT_UNTRIED))
                return
        else:
            self.result = None
        if self._hold_elsewhere(parsed):
            return
        affected = self._affected(parsed)
        self.ended = affected.ended
        if self.ended and not self.cleaned_data.get(ACCEPT_ENDING):
            self._hold(holds.ending(affected, ACCEPT_ENDING))

    def _hold_elsewhere(self, parsed: Configuration) -> bool:
        """Hold a save whose metadata names hosts that nobody saw: the secret would go there."""
        seen = tries.tried(self.attempt) if self.result else None
        if seen is None and self.stored is not None:
            seen = configuration.read(self.stored.as_data())
        hosts = configuration.strange_hosts(parsed, seen)
        # What was agreed to are these hosts, not whatever stands there at the next save.
        if not hosts or self.data.get(ACCEPT_HOSTS) == " ".join(hosts):
            return False
        self.fields[ACCEPT_HOSTS].widget.attrs["value"] = " ".join(hosts)
        self._hold(holds.elsewhere(hosts, parsed, ACCEPT_HOSTS))
        return True

    def _hold_conflict(self, said: Typed) -> bool:
        """Hold a save over what somebody saved since this form was opened.

        The form comes back with what was typed, and as one that has seen what is stored now.
        """
        if self.stored is None or self.stored.version == self.birth.version:
            return False
        self.conflict = conflicts.between(self.stored, self.birth.version, said)
        self.birth = replace(self.birth, version=self.stored.version)
        if not self.conflict.rows:
            return False
        self._hold(conflicts.told(self.conflict))
        return True

    def _hold(self, says: Says) -> None:
        self.says = says
        self.add_error("public_id", says.title)

    def _affected(self, parsed: Configuration) -> Affected:
        return of_change(self.stored, parsed) if self.stored else Affected()

    def _refuse(self, name: str, texts: list[str]) -> None:
        if name in self.errors:
            return
        for written in texts:
            code, text = coded(written)
            error = forms.ValidationError(text, code=code or "invalid")
            self.add_error(name if name in self.fields else None, error)

    def _code(self) -> str:
        """The failure code among the mistakes, if one has any."""
        codes = [error.code or "" for found in self.errors.as_data().values() for error in found]
        return next((code for code in codes if code in CATALOGUE), "")

    def _texts(self) -> dict[str, list[str]]:
        return {name: [str(text) for text in texts] for name, texts in self.errors.items()}

    # What is saved

    @sensitive_variables()
    def save_as(self, by: By) -> Saved:
        """Write the checked values. Raises Conflict where somebody was first."""
        assert self.typed is not None and self.parsed is not None
        picture: tuple[bytes | None, str] | None = None
        if self.logo:
            picture = (self.logo.png, self.logo.etag)
        elif self.cleaned_data.get("logo_remove"):
            picture = (None, "")
        wanted = Wanted(
            application_id=self.cleaned_data["application"].pk,
            data=self.typed.data,
            secrets=None if self.typed.keeps_unreadable else self.typed.secrets,
            logo=picture,
        )
        return saving.save(
            self.birth.public_id,
            wanted,
            read=self.birth.version if self.was_saved else None,
            by=by,
        )

    @property
    def found_anew(self) -> bool:
        """Whether the Discovery URL says something else than at the last save."""
        if self.stored is None or self.parsed is None:
            return False
        return self.parsed.discovered != self.stored.parsed().discovered


def _checkbox(label: str) -> forms.BooleanField:
    return forms.BooleanField(required=False, label=label, widget=widgets.UnfoldBooleanWidget())
