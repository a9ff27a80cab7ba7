"""Checks what was written for a connected system, key by key."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from connectedsystems import placeholders
from connectedsystems.written import Box, check_names, has_dot_segment, header_name_problem

from .grounds import Grounds
from .keys import BUILT_IN_NAMES, EVERYTHING, OAUTH
from .oauth import OAuthCheck
from .value import captures_of, read


class SystemCheck:
    """The checks of one system's box, key by key."""

    def __init__(self, box: Box, *, complete: bool = True) -> None:
        self.box = box
        self.configuration = read(_shaped(box.data))
        self.grounds = Grounds(self.configuration)
        self.complete = complete
        self.declared = self.configuration.declared

    def run(self) -> None:
        box = self.box
        box.only(EVERYTHING[""])
        box.slug()
        box.text("name", required=True, longest=100)
        box.text("description", lines=True, longest=10_000)
        box.text("authorization_message", lines=True, longest=2_000)
        self.authentication()
        self.variables()
        self.grounds.address(box, "base_url", self.declared)
        self.base_url_is_bare()
        taken = self.configuration.written_headers
        everywhere = self.declared | placeholders.BUILT_INS
        box.headers("request_headers", everywhere, taken)
        box.parameters("request_parameters", everywhere)
        self.written_parameter_is_free()
        self.token_placement()
        self.expired_when()

    def authentication(self) -> None:
        kind = self.box.choice("authentication", EVERYTHING["authentication"], "none")
        self.box_only_with("oauth", kind, OAUTH)
        self.box_only_with("api_key", kind, {"api_key"})
        self.box_only_with("basic", kind, {"basic"})
        if kind in OAUTH:
            OAuthCheck(self.box.box("oauth"), self.grounds, kind, complete=self.complete).run()
        elif kind == "api_key":
            self.api_key()
        elif kind == "basic":
            basic = self.box.box("basic")
            basic.only(("username", "password"))
            basic.text("username", required=True)

    def box_only_with(self, key: str, kind: str, kinds: Collection[str]) -> None:
        if self.box.has(key) and kind not in kinds:
            wanted = " or ".join(sorted(kinds))
            self.box.refuse(key, f"is read only with authentication: {wanted}. Remove it.")

    def api_key(self) -> None:
        box = self.box.box("api_key")
        box.only(("name", "value", "place"))
        name = box.text("name", required=True, longest=200)
        place = box.choice("place", ("header", "query"), "header")
        if name and place == "header" and (problem := header_name_problem(name)):
            box.refuse("name", problem)

    def variables(self) -> None:
        box = self.box.box("variables")
        for name in box.data:
            self.variable(box, name)
        kinds = [("variables", tuple(box.data)), *captures_of(self.configuration.oauth).items()]
        check_names(kinds, self.box.errors, BUILT_IN_NAMES)

    def variable(self, box: Box, name: str) -> None:
        if not isinstance(box.data[name], Mapping):
            box.text(name)
            return
        form = box.box(name)
        form.only(("secret", "environment", "value"))
        form.flag("environment", False)
        if not form.flag("secret", False):
            form.text("value")

    def base_url_is_bare(self) -> None:
        text = self.box.data.get("base_url")
        if not isinstance(text, str):
            return
        if "?" in text:
            self.box.refuse(
                "base_url", "may not hold a query; put its parameters into request_parameters."
            )
        if "\\" in text or has_dot_segment(text):
            self.box.refuse("base_url", "may not hold a backslash, '.' or '..' as a part.")

    def written_parameter_is_free(self) -> None:
        name = self.configuration.written_parameter
        if name and name in self.configuration.request_parameters:
            self.box.refuse(
                f"request_parameters.{name}",
                f"{name} is written by the authentication of this system; remove it.",
            )

    def token_placement(self) -> None:
        if not self.box.has("token_placement"):
            return
        box = self.box.box("token_placement")
        box.only(("header", "scheme", "query"))
        header = box.text("header", longest=200)
        scheme = box.text("scheme", longest=100)
        query = box.text("query", longest=200)
        if query and (header or scheme):
            box.refuse("query", "Write either header and scheme, or query.")
        if header and (problem := header_name_problem(header)):
            box.refuse("header", problem)
        if scheme and (not scheme.isascii() or " " in scheme):
            box.refuse("scheme", "is one word, such as Bearer; or empty for the bare token.")

    def expired_when(self) -> None:
        if not self.box.has("expired_when"):
            return
        box = self.box.box("expired_when")
        box.only(("status", "json"))
        for status in box.listing("status"):
            if isinstance(status, bool) or not isinstance(status, int) or not 400 <= status <= 599:
                box.refuse("status", "is a list of HTTP status codes from 400 to 599.")
                break
        box.expression("json")


def _shaped(data: Mapping[str, Any]) -> dict[str, Any]:
    """The written keys as far as they have the shape that ``read`` counts on."""
    shaped = dict(data)
    for key in EVERYTHING[""]:
        value = shaped.get(key)
        if key in _BOXES and not isinstance(value, Mapping):
            shaped[key] = {}
        elif key not in _BOXES and not isinstance(value, str):
            shaped[key] = ""
    shaped["api_key"] = _texts_of(shaped["api_key"])
    shaped["token_placement"] = _texts_of(shaped["token_placement"])
    shaped["variables"] = {
        name: value for name, value in shaped["variables"].items() if _is_variable(value)
    }
    return shaped


_BOXES = frozenset(
    {
        "api_key",
        "basic",
        "oauth",
        "variables",
        "request_headers",
        "request_parameters",
        "token_placement",
        "expired_when",
    }
)


def _texts_of(box: Mapping[str, Any]) -> dict[str, str]:
    return {key: value for key, value in box.items() if isinstance(value, str)}


def _is_variable(value: object) -> bool:
    inner = value.get("value") if isinstance(value, Mapping) else value
    return isinstance(inner, str) or inner is None
