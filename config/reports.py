"""Error reports without values: no locals, no forms, no queries, no settings."""

from __future__ import annotations

import types
from typing import Any

from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

from connectedsystems.redact import redact


class QuietFilter(SafeExceptionReporterFilter):
    """Names and types stay; values do not."""

    def get_post_parameters(self, request: HttpRequest | None) -> dict[str, Any]:
        return dict.fromkeys(request.POST, self.cleansed_substitute) if request else {}

    def get_traceback_frame_variables(
        self, request: HttpRequest | None, tb_frame: types.FrameType
    ) -> Any:
        return [(name, type(value)) for name, value in tb_frame.f_locals.items()]

    def get_safe_settings(self) -> dict[str, Any]:
        return dict.fromkeys(super().get_safe_settings(), self.cleansed_substitute)

    def get_safe_cookies(self, request: HttpRequest) -> dict[str, Any]:
        return dict.fromkeys(request.COOKIES, self.cleansed_substitute)

    def get_safe_request_meta(self, request: HttpRequest) -> dict[str, Any]:
        kept = ("REQUEST_METHOD", "PATH_INFO", "SERVER_PROTOCOL", "CONTENT_TYPE")
        return {name: request.META[name] for name in kept if name in request.META}


class QuietReporter(ExceptionReporter):
    """Django's report, of the path alone, redacted by value at the end."""

    def get_traceback_data(self) -> dict[str, Any]:
        data = super().get_traceback_data()
        if self.request is not None:
            data["request_insecure_uri"] = self.request.path
            data["request_GET_items"] = [
                (name, self.filter.cleansed_substitute) for name in self.request.GET
            ]
            data["request_FILES_items"] = []
        return data

    def get_traceback_html(self) -> SafeString:
        return SafeString(redact(super().get_traceback_html()))

    def get_traceback_text(self) -> SafeString:
        return SafeString(redact(super().get_traceback_text()))
