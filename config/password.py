"""One's own password: the present one, then a new one; sessions elsewhere end."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.views import PasswordChangeView
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache

from config.accounts import locked_out
from connectedsystems.models import AuditEvent

FAILED = "password_change_failed"


@method_decorator(never_cache, name="dispatch")
class OwnPassword(PasswordChangeView):
    """Django's, in the product's look; the session that changes it goes on, all others end.

    Django keeps a hash of the password in each session and compares it with every request. Whoever
    sits down at a session that was left open may guess no oftener than at the log-in.
    """

    template_name = "registration/password.html"
    success_url = "/"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if (
            request.method == "POST"
            and request.user.is_authenticated
            and _guessed_too_often(request)
        ):
            return locked_out(request)
        return super().dispatch(request, *args, **kwargs)

    def form_valid(self, form: PasswordChangeForm) -> HttpResponse:
        answer = super().form_valid(form)
        messages.success(
            self.request, "Your password is changed. Wherever else you were logged in, you are not."
        )
        return answer

    def form_invalid(self, form: PasswordChangeForm) -> HttpResponse:
        if form.data.get("old_password") and "old_password" in form.errors:
            user = self.request.user
            AuditEvent.objects.record(FAILED, actor=user, subject=user, outcome="failed")
        return super().form_invalid(form)


def _guessed_too_often(request: HttpRequest) -> bool:
    lately = timezone.now() - settings.AXES_COOLOFF_TIME
    failed = AuditEvent.objects.filter(action=FAILED, actor_id=request.user.pk, at__gt=lately)
    return failed.count() >= settings.AXES_FAILURE_LIMIT
