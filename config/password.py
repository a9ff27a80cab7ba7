"""One's own password: the present one, then a new one; sessions elsewhere end."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.views import PasswordChangeView
from django.http import HttpResponse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache


@method_decorator(never_cache, name="dispatch")
class OwnPassword(PasswordChangeView):
    """Django's, in the product's look; the session that changes it goes on, all others end.

    Django keeps a hash of the password in each session and compares it with every request.
    """

    template_name = "registration/password.html"
    success_url = "/"

    def form_valid(self, form: PasswordChangeForm) -> HttpResponse:
        answer = super().form_valid(form)
        messages.success(
            self.request, "Your password is changed. Wherever else you were logged in, you are not."
        )
        return answer
