"""What the checks of a written system stand on: what it declares, and its URLs."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from connectedsystems import diagnosis, outbound, placeholders
from connectedsystems.errors import OutboundFailure
from connectedsystems.oauth import origins
from connectedsystems.written import Box

from .value import Configuration


@dataclass(frozen=True)
class Grounds:
    """The system as far as it can be read."""

    configuration: Configuration

    def address(
        self, box: Box, key: str, declared: Collection[str], *, required: bool = False
    ) -> str:
        """A URL with placeholders: what can be said of it before it is filled."""
        text = box.text(key, required=required)
        if not text:
            return ""
        # {query} is a mark of the authorization endpoint alone; elsewhere it is undeclared.
        marked = "{query}" in text and key == "authorization_endpoint"
        box.template(key, text.replace("{query}", "") if marked else text, declared)
        if box.at(key) in box.errors:
            return ""
        self.names_in_host(box, key, text)
        stand_in = dict.fromkeys(placeholders.names(text), "x.example")
        leading = _leading_name(text)
        if leading:
            stand_in[leading] = "https://x.example"
        stand_in.update(query="", **self.configuration.variables)
        try:
            outbound.check_url(placeholders.fill_url(text, stand_in), allow_fragment=marked)
        except ValueError as error:
            box.refuse(key, str(error))
        except OutboundFailure as failure:
            told = diagnosis.diagnose(failure.code, failure.facts)
            box.refuse(key, f"{failure.code}: {told.seen} {told.cause} {told.fix}")
        return text

    def names_in_host(self, box: Box, key: str, text: str) -> None:
        patterns = self.configuration.oauth.get("capture_patterns")
        for name in sorted(placeholders.names_in_host(text)):
            if name in self.configuration.secret_variables:
                box.refuse(key, f"{{{name}}} is secret: a host is never made of a secret.")
            elif name in self.configuration.captured_names and name not in (patterns or {}):
                box.refuse(
                    key,
                    f"{{{name}}} is captured and stands in the host: "
                    f"say in oauth.capture_patterns which values of {name} are allowed.",
                )
            elif name in placeholders.BUILT_INS:
                box.refuse(key, f"{{{name}}} cannot stand in the host.")
        filled = self.configuration.with_variables(text)
        callback = (self.configuration.oauth.get("captures") or {}).get("callback") or {}
        if loose := origins.unbounded_callback_capture(filled, callback, patterns or {}):
            box.refuse(key, origins.loose_sentence(loose))


def _leading_name(text: str) -> str:
    found = re.match(r"\{([A-Za-z_][A-Za-z0-9_]*)\}", text)
    return found.group(1) if found else ""
