"""Checks the ``oauth`` box of what was written for a connected system."""

from __future__ import annotations

from collections.abc import Mapping

from connectedsystems import placeholders
from connectedsystems.oauth.authentication import METHODS
from connectedsystems.patterns import LONGEST, Unsupported, check
from connectedsystems.written import Box

from .grounds import Grounds
from .keys import ENDPOINTS, EVERYTHING, NEEDED_ENDPOINTS

_IN_AUTHORIZATION = placeholders.BUILT_INS | {
    "client_id",
    "redirect_uri",
    "state",
    "scope",
    "code_challenge",
}
_IN_TOKEN_REQUEST = _IN_AUTHORIZATION | {"client_secret", "code", "refresh_token"}

_PROTECTED = ("state", "redirect_uri", "code_challenge")
_TOKEN_RESPONSE = (
    "access_token",
    "refresh_token",
    "expires_in",
    "expires_at",
    "scope",
    "token_type",
    "error",
)
_FORMATS = ("form", "json", "query")
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_TEN_YEARS = 315_360_000


class OAuthCheck:
    """The checks of the ``oauth`` box."""

    def __init__(self, box: Box, grounds: Grounds, kind: str, *, complete: bool) -> None:
        self.box = box
        self.grounds = grounds
        self.kind = kind
        self.complete = complete
        self.declared = grounds.configuration.declared

    def run(self) -> None:
        box = self.box
        box.only(EVERYTHING["oauth"])
        box.text("client_id", required=True)
        self.endpoints()
        box.text("issuer")
        box.choice("issuer_in_response", ("optional", "required"), "optional")
        box.text("scope", longest=10_000)
        box.choice("client_authentication", EVERYTHING["oauth.client_authentication"], "")
        box.choice("pkce", ("S256", "off"), "S256")
        box.number("default_expires_in", None, 1, _TEN_YEARS)
        box.text("code_parameter", longest=100)
        box.parameters("authorization_parameters", self.declared | _IN_AUTHORIZATION)
        self.protection_is_kept()
        self.token_request()
        self.refresh()
        self.captures()
        if box.has("client_key"):
            self.client_key()
        if box.has("second_exchange"):
            self.second_exchange()
        if box.has("after_authorization"):
            self.after_authorization()

    def endpoints(self) -> None:
        found = self.box.data.get("discovery_url") or not self.complete
        declared = self.declared | _IN_AUTHORIZATION - {"state", "code_challenge"}
        wanted = NEEDED_ENDPOINTS.get(self.kind, ())
        for key in ENDPOINTS:
            required = key in wanted and not found
            self.grounds.address(self.box, key, declared, required=required)
        # It is asked while nobody is there: neither a user's captures nor secrets can fill it.
        system = self.grounds.configuration
        known = frozenset(system.variables) | system.unset_variables
        self.grounds.address(self.box, "discovery_url", known)

    def protection_is_kept(self) -> None:
        written = self.box.data.get("authorization_parameters")
        if not isinstance(written, Mapping):
            return
        for name in _PROTECTED:
            own = f"{{{name}}}"
            elsewhere = any(value == own for key, value in written.items() if key != name)
            if name in written and written[name] != own and not elsewhere:
                self.box.refuse(
                    f"authorization_parameters.{name}",
                    f"The value of {name} may be sent under another name, but neither changed nor "
                    f'left out: write {{"other_name": "{own}", "{name}": null}}.',
                )

    def token_request(self) -> None:
        declared = self.declared | _IN_TOKEN_REQUEST
        self.box.parameters("token_parameters", declared)
        self.box.headers("token_headers", declared)
        manner = self.box.box("token_request")
        manner.only(("format", "method"))
        _check_manner(manner)
        answer = self.box.box("token_response")
        answer.only(_TOKEN_RESPONSE)
        for key in answer.data:
            answer.expression(key)

    def refresh(self) -> None:
        differs = self.box.box("refresh")
        differs.only(("parameters", "headers", "client_authentication", "format", "method"))
        declared = self.declared | _IN_TOKEN_REQUEST
        differs.parameters("parameters", declared)
        differs.headers("headers", declared)
        differs.choice("client_authentication", sorted(METHODS), "")
        _check_manner(differs)

    def captures(self) -> None:
        captures = self.box.box("captures")
        captures.only(("token", "callback"))
        from_token = captures.box("token")
        for name in from_token.data:
            from_token.expression(name)
        from_callback = captures.box("callback")
        for name in from_callback.data:
            from_callback.text(name, required=True, longest=100)
        patterns = self.box.box("capture_patterns")
        for name in patterns.data:
            self.pattern(patterns, name)

    def pattern(self, patterns: Box, name: str) -> None:
        if name not in self.grounds.configuration.captured_names:
            patterns.refuse(name, f"Nothing is captured under the name {name}.")
        text = patterns.text(name, required=True, longest=LONGEST)
        try:
            check(text)
        except Unsupported as reason:
            patterns.refuse(name, f"is no pattern that can be used: {reason}.")

    def client_key(self) -> None:
        key = self.box.box("client_key")
        key.only(("algorithm", "key_id", "audience"))
        for name in ("algorithm", "key_id", "audience"):
            key.text(name)

    def second_exchange(self) -> None:
        step = self.box.box("second_exchange")
        step.only(
            (
                "endpoint",
                "method",
                "format",
                "parameters",
                "token_response",
                "captures",
                "repeat_on_refresh",
            )
        )
        declared = self.declared | _IN_TOKEN_REQUEST | {"access_token"}
        self.grounds.address(step, "endpoint", declared, required=True)
        step.parameters("parameters", declared)
        step.flag("repeat_on_refresh", False)
        _check_manner(step)
        for box, known in (("token_response", _TOKEN_RESPONSE), ("captures", None)):
            inner = step.box(box)
            if known:
                inner.only(known)
            for key in inner.data:
                inner.expression(key)

    def after_authorization(self) -> None:
        step = self.box.box("after_authorization")
        step.only(("method", "url", "path", "headers", "parameters", "body", "captures", "choose"))
        declared = self.declared | placeholders.BUILT_INS | {"access_token"}
        if step.has("url") == step.has("path"):
            step.refuse("url", "Write either url or path.")
        self.grounds.address(step, "url", declared)
        step.text("path")
        step.choice("method", _METHODS, "GET")
        step.headers("headers", declared)
        step.parameters("parameters", declared)
        step.template("body", step.data.get("body"), declared)
        captures = step.box("captures")
        for name in captures.data:
            captures.expression(name)
        if step.has("choose"):
            choose = step.box("choose")
            choose.only(("list", "value", "label"))
            for key in ("list", "value", "label"):
                choose.expression(key, required=True)


def _check_manner(box: Box) -> None:
    box.choice("format", _FORMATS, "form")
    box.choice("method", ("POST", "GET", "PUT"), "POST")
