"""Steps in sentences, for whoever they happened to."""

from __future__ import annotations

import pytest

from connectedsystems.diagnosis import CATALOGUE
from connectedsystems.evidence import Step
from integrations.timeline import Story, told

AT = "2026-11-24T10:00:00+00:00"
TOKEN = Step("token", AT, "POST", "https://acme.example/token", status=200, seconds=0.25)
CALL = Step("call", AT, "GET", "https://acme.example/x", status=404, reason="Not Found")


def sentences(*steps: Step, **story: object) -> list[str]:
    return [each.sentence for each in told(list(steps), Story("Acme", **story), detail=False)]


def test_a_second_question_is_one_thing_more() -> None:
    assert sentences(TOKEN, TOKEN, CALL) == [
        "This site asked Acme for permission to speak for you. It answered.",
        "This site asked Acme for one thing more. It answered.",
        "This site asked Acme for data. It answered with 404 Not Found.",
    ]


def test_whom_it_happened_to() -> None:
    leaving = Step("leaving", AT, "GET", "https://acme.example/authorize?state=x")
    back = Step("returning", AT, body="error=access_denied")
    assert sentences(leaving, back, TOKEN, who="bob") == [
        "bob was sent to Acme (acme.example).",
        "bob came back from Acme, which gave a reason.",
        "This site asked Acme for permission to speak for bob. It answered.",
    ]
    assert sentences(TOKEN, own=True) == [
        "This site asked Acme for permission of its own. It answered."
    ]


@pytest.mark.parametrize("code", sorted(CATALOGUE))
def test_why_there_is_no_answer(code: str) -> None:
    (sentence,) = sentences(Step("call", AT, "POST", "https://acme.example/x", code=code))
    assert sentence.startswith("This site sent data to Acme. There was no usable answer: ")
    assert not sentence.endswith("..")


def test_detail_is_what_was_on_the_wire() -> None:
    step = Step(
        *("call", AT, "POST", "https://acme.example/x", [["Accept", "*/*"]], "{}"),
        *(500, "Broken", [["Date", "now"]], "oh", 2, 0.0042),
    )
    (shown,) = told([step], Story("Acme"), detail=True)
    assert shown.sent == "POST https://acme.example/x\nAccept: */*\n\n{}"
    assert shown.received == "500 Internal Server Error\nDate: now\n\noh"
    assert shown.took == "4 ms"
    assert shown.as_text().startswith("10:00:00 This site sent data to Acme.")
    (plain,) = told([step], Story("Acme"), detail=False)
    assert (plain.sent, plain.received) == ("", "")
