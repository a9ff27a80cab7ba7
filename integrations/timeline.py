"""The steps of an attempt or a call in sentences, with what went over the wire for designers."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus

from connectedsystems.diagnosis import diagnose
from connectedsystems.evidence import Step


@dataclass(frozen=True, slots=True)
class Told:
    """One step: when, a sentence for anybody, whether it went well; ``sent`` and ``received`` are
    HTTP as text."""

    at: datetime
    sentence: str
    took: str
    succeeded: bool
    sent: str = field(default="", repr=False)
    received: str = field(default="", repr=False)

    def as_text(self) -> str:
        """For support, without a clock to guess at."""
        parts = [f"{self.at:%H:%M:%S} {self.sentence}", self.sent, self.received]
        return "\n".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class Story:
    """Whom it happened to: the reader, or somebody named ``who``; ``own``: the system spoke for
    itself, and for no user."""

    system: str
    who: str = ""
    own: bool = False


def told(steps: list[Step], story: Story, *, detail: bool) -> list[Told]:
    """What happened, in its order; ``detail``: with what was sent and received."""
    found = []
    asked = 0
    for step in steps:
        found.append(
            Told(
                at=datetime.fromisoformat(step.at),
                sentence=_sentence(step, story, again=step.kind == "token" and asked > 0),
                took=_seconds(step.seconds) if step.seconds else "",
                succeeded=_went_well(step),
                sent=_sent(step) if detail else "",
                received=_received(step) if detail else "",
            )
        )
        asked += step.kind == "token"
    return found


def _sentence(step: Step, story: Story, *, again: bool) -> str:
    system, who = story.system, story.who
    if step.kind == "leaving":
        return f"{f'{who} was' if who else 'You were'} sent to {system} ({step.host})."
    if step.kind == "returning":
        reason = ", which gave a reason" if "error=" in step.body else ""
        return f"{who or 'You'} came back from {system}{reason}."
    if again:
        asked = f"This site asked {system} for one thing more."
    elif step.kind == "token":
        whose = "of its own" if story.own else f"to speak for {who or 'you'}"
        asked = f"This site asked {system} for permission {whose}."
    elif step.method in ("GET", "HEAD"):
        asked = f"This site asked {system} for data."
    else:
        asked = f"This site sent data to {system}."
    return f"{asked} {_outcome(step)}"


def _outcome(step: Step) -> str:
    if step.code:
        why = diagnose(step.code).title
        return f"There was no usable answer: {why[:1].lower()}{why[1:]}."
    if step.succeeded:
        return "It answered."
    return f"It answered with {_status(step)}."


def _went_well(step: Step) -> bool:
    if step.kind == "returning":
        return "error=" not in step.body
    return not step.code and step.succeeded


def _status(step: Step) -> str:
    try:
        return f"{step.status} {HTTPStatus(step.status).phrase}"
    except ValueError:
        return str(step.status)


def _sent(step: Step) -> str:
    if step.kind == "returning":
        return step.body.replace("&", "\n")
    return _http(f"{step.method} {step.url}", step.headers, step.body)


def _received(step: Step) -> str:
    if not step.status:
        return step.code
    body = step.answer_body or (f"({step.size} bytes, not kept)" if step.size else "")
    return _http(_status(step), step.answer_headers, body)


def _http(first: str, headers: list[list[str]], body: str) -> str:
    lines = [first, *(f"{name}: {value}" for name, value in headers)]
    return "\n".join([*lines, "", body]).rstrip() if body else "\n".join(lines)


def _seconds(spent: float) -> str:
    return f"{spent:.2f} s" if spent >= 0.1 else f"{spent * 1000:.0f} ms"
