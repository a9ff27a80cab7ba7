"""The documents say what the product does: each entry of the catalogue stands in its document.

After a change of the catalogue, ``python -m tests.test_docs`` writes the entries anew.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from connectedsystems.diagnosis import CATALOGUE, FIELDS, GROUPS, Diagnosis, diagnose
from connectedsystems.diagnosis.entry import BY_FIELD, BY_REQUEST, Entry, Variant
from connectedsystems.diagnosis.sentences import fill
from tests.journeys.mistaken import TOLD
from tests.journeys.pictures import TROUBLES, picture_of
from tests.mistakes import MISTAKES, label
from tests.otherservers.mistaken import CODES

DOCS = Path(__file__).resolve().parent.parent / "docs"
ARCHITECTURE = DOCS / "architecture.md"
TROUBLESHOOTING = DOCS / "troubleshooting.md"
WALKS = DOCS / "walks.md"
JOURNEYS = DOCS.parent / "tests" / "journeys"
BEGINNING = "## Every failure code\n"

KINDS = {"error": "", "warning": " (a warning)", "ask": " (the authorization link is shown)"}
LOOK_AT = {
    BY_FIELD: "the one that is marked",
    BY_REQUEST: "the address that was asked",
}


def catalogue_as_text() -> str:
    """All entries as the document shows them, in the catalogue's order."""
    groups = [
        f"### {title}\n\n"
        + "\n".join(entry_as_text(code, entry) for code, entry in entries.items())
        for title, entries in GROUPS.items()
    ]
    return f"{BEGINNING}\n" + "\n".join(groups)


def entry_as_text(code: str, entry: Entry) -> str:
    told = diagnose(code)
    lines = [
        f"#### {code}",
        "",
        f"**{told.title}**{KINDS[told.kind]}",
        "",
        f"- Seen: {told.seen}",
        f"- Cause: {told.cause}",
        f"- Fix: {told.fix}",
        f"- The user reads: “{told.user}”",
        f"- Who can act: {', '.join(told.who)}",
    ]
    if entry.look_at:
        first = LOOK_AT.get(entry.look_at) or FIELDS[entry.look_at]
        also = "".join(f"; {FIELDS[name]}" for name in entry.also)
        lines.append(f"- Look at: {first}{also}")
    lines.append(f"- Trying again: {'may help' if told.retry else 'does not help by itself'}")
    lines += [variant_as_text(told, variant) for variant in entry.variants]
    return "\n".join(lines) + "\n"


def variant_as_text(told: Diagnosis, variant: Variant) -> str:
    """What a variant says differently, in one line."""
    parts = []
    for name in ("seen", "cause", "fix"):
        text = fill(getattr(variant, name) or "", {})
        if text and text != getattr(told, name):
            parts.append(text)
    if variant.look_at:
        look = LOOK_AT.get(variant.look_at) or FIELDS[variant.look_at]
        parts.append(f"Look at: {look}.")
    if variant.status and not parts:
        parts.append(f"The page has status {variant.status}.")
    return f"- *{variant.label[0].upper()}{variant.label[1:]}*: {' '.join(parts)}"


def test_troubleshooting_says_what_the_catalogue_says():
    text = TROUBLESHOOTING.read_text()
    assert text[text.index(BEGINNING) :] == catalogue_as_text(), "python -m tests.test_docs"


def test_every_failure_code_has_one_heading():
    headings = re.findall(r"^#### (\w+)$", TROUBLESHOOTING.read_text(), re.MULTILINE)
    assert headings == list(CATALOGUE)


def test_every_link_within_a_document_leads_to_a_heading():
    text = TROUBLESHOOTING.read_text()
    headings = {
        re.sub(r"[^\w\- ]", "", title).lower().replace(" ", "-")
        for title in re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= headings


ROW = re.compile(r"^\| ([^|]+) \| (\[`[^|]+) \|$", re.MULTILINE)


@pytest.mark.parametrize(
    ("field", "codes"),
    [
        pytest.param(field, re.findall(r"`(\w+)`", codes), id=field)
        for field, codes in ROW.findall(TROUBLESHOOTING.read_text())
    ],
)
def test_a_mistake_leads_to_sentences_that_name_the_field(field, codes):
    for code in codes:
        entry = CATALOGUE[code]
        told = [entry.cause, entry.fix, *(variant.fix or "" for variant in entry.variants)]
        told += [FIELDS.get(variant.look_at or "", "") for variant in entry.variants]
        named = any(field.lower() in sentence.lower() for sentence in told)
        assert named or entry.look_at == BY_REQUEST, f"{code} does not name {field}"


MADE = re.compile(
    r"^\| (.+) \(`(\w+)`\): (.+) \| (.+) \| \[`(\w+)`\]\(#\w+\) \| (.+) \| \[picture\]\((.+)\)"
    r" \| (.+) \|$",
    re.MULTILINE,
)


def test_the_table_of_mistakes_is_what_the_journeys_make():
    rows = MADE.findall(TROUBLESHOOTING.read_text())
    made = [
        (label(mistake), mistake, what, TOLD[mistake].where, TOLD[mistake].code)
        + (TOLD[mistake].message, f"pictures/{picture_of(mistake)}.png")
        for mistake, what in MISTAKES.items()
    ]
    assert [row[:-1] for row in rows] == made
    elsewhere = {row[1]: re.findall(r"`(\w+)`", row[-1]) for row in rows}
    assert elsewhere == {mistake: [code] for mistake, code in CODES.items()}
    assert {row[4] for row in rows} <= set(CATALOGUE)


def test_every_picture_of_a_document_is_there_and_small():
    shown = {
        DOCS / path
        for document in DOCS.glob("*.md")
        for path in re.findall(r"\((pictures/[^)]+)\)", document.read_text())
    }
    assert {path.stem for path in shown} >= {picture_of(each) for each in MISTAKES} | set(TROUBLES)
    assert [path.name for path in sorted(shown) if not path.exists()] == []
    assert [path.name for path in sorted(shown) if path.stat().st_size > 80_000] == []


def test_the_architecture_names_files_that_are_there():
    named = re.findall(r"`((?:config|demo|\w+s|workbench)/[\w/.]*)`", ARCHITECTURE.read_text())
    assert len(named) > 20
    assert [path for path in named if not (DOCS.parent / path).exists()] == []


def test_each_walk_is_a_journey_of_the_same_name():
    journeys = "".join(path.read_text() for path in JOURNEYS.glob("test_*.py"))
    walks = re.findall(r"^## (\w+)$", WALKS.read_text(), re.MULTILINE)
    assert len(walks) >= 5
    assert [walk for walk in walks if f"def test_{walk}(" not in journeys] == []


def test_each_journey_that_the_walks_name_is_a_test():
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", WALKS.read_text())
    assert len(named) >= 20
    missing = [
        test for path, test in named if f"def {test}(" not in (DOCS.parent / path).read_text()
    ]
    assert missing == []


def write() -> None:
    """Put the catalogue's present sentences into the document."""
    text = TROUBLESHOOTING.read_text()
    TROUBLESHOOTING.write_text(text.partition(BEGINNING)[0] + catalogue_as_text())


if __name__ == "__main__":
    write()
