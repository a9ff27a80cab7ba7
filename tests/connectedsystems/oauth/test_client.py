"""A client as a value: what its placeholders know, and what its repr keeps to itself."""

from __future__ import annotations

from connectedsystems.oauth.client import Client


def test_a_repr_shows_no_secret():
    client = Client(
        client_id="abc",
        client_secret="hidden-1",
        client_secret_next="hidden-2",
        token_headers={"X-Key": "hidden-3"},
        token_parameters={"key": "hidden-4"},
        values={"key": "hidden-5"},
    )
    assert "hidden" not in repr(client)
    assert "abc" in repr(client)


def test_captures_are_known_beside_the_variables():
    client = Client(client_id="abc", values={"a": 1, "b": 1})
    assert client.knowing({"b": 2}).values == {"a": 1, "b": 2}
    assert client.knowing({}) is client


def test_nothing_stands_in_for_the_protocols_own_values():
    client = Client(client_id="abc", redirect_uri="https://here", values={"client_id": "other"})
    assert client.known()["client_id"] == "abc"
    assert client.known(state="s")["state"] == "s"
    assert client.known()["uuid"] != client.known()["uuid"]
