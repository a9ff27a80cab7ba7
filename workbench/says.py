"""What the desk says of a form or of a try: a box with its reason, and the fields it is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from connectedsystems.diagnosis import CATALOGUE, diagnose
from workbench.cautions import Caution
from workbench.systemfields import labelled

Tone = Literal["bad", "due", "good"]


@dataclass(frozen=True, slots=True)
class Says:
    """A box: ``lines`` are (word, sentence); ``fields`` are marked, the first one is focused;
    ``also`` are those that may be wrong instead.

    ``confirm`` names a checkbox that lets the person go on all the same: (name, label).
    """

    tone: Tone
    title: str
    lines: tuple[tuple[str, str], ...] = ()
    code: str = ""
    reference: str = ""
    fields: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    sentences: tuple[tuple[str, str, str], ...] = ()
    confirm: tuple[str, str] | None = None
    link: tuple[str, str] | None = None
    cautions: tuple[Caution, ...] = ()

    @property
    def looks(self) -> list[tuple[str, str]]:
        """The fields to look at that no sentence leads to: name and words on the screen."""
        led = {name for name, _label, _text in self.sentences}
        return [(name, labelled(name)) for name in (*self.fields, *self.also) if name not in led]

    @property
    def role(self) -> str:
        return "alert" if self.tone == "bad" else "status"


def failure(code: str, facts: Mapping[str, Any], reference: str = "") -> Says:
    """A failure of the catalogue: seen, cause, fix, and the field to look at."""
    told = diagnose(code, facts)
    return Says(
        tone="bad",
        title=told.title,
        lines=(("", told.seen), ("Cause", told.cause), ("Fix", told.fix)),
        code=code,
        reference=reference,
        fields=(told.look_at,) if told.look_at else (),
        also=told.also,
    )


def sentence(code: str, facts: Mapping[str, Any]) -> str:
    """A failure as the mistake of a field: its code, what was seen, and what mends it."""
    told = diagnose(code, facts)
    return f"{code}: {told.seen} {told.fix}"


def coded(text: str) -> tuple[str, str]:
    """A mistake's failure code, where its text begins with one, and the text for people."""
    code, colon, rest = text.partition(": ")
    return (code, rest) if colon and code in CATALOGUE else ("", text)


def mistakes(errors: Mapping[str, Sequence[str]], code: str = "") -> Says:
    """Fields that cannot be used as they are: each with what is wrong with it."""
    sentences = []
    for name, texts in errors.items():
        label = labelled(name)
        for written in texts:
            found, text = coded(written)
            code = code or found
            sentences.append((name, label, f"{label}{_joined(text)}"))
    code = code or "configuration_invalid"
    return Says(
        tone="bad",
        title=diagnose("configuration_invalid", {}).title,
        sentences=tuple(sentences),
        code=code,
        fields=tuple(errors),
    )


def _joined(text: str) -> str:
    return f" {text}" if text[:1].islower() else f": {text}"
