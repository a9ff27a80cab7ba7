"""The OAuth 2.0 endpoints: django-oauth-toolkit's, with Acme's pages and switches."""

from typing import Any
from urllib.parse import urlencode

from django.db import transaction
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from oauth2_provider.models import AccessToken, Application
from oauth2_provider.oauth2_validators import OAuth2Validator
from oauth2_provider.settings import oauth2_settings
from oauth2_provider.signals import app_authorized
from oauth2_provider.views import AuthorizationView, RevokeTokenView, TokenView

from demo.thirdparty.faults import switches


class Authorize(AuthorizationView):
    """Consent, asked each time; `prompt=none` goes on without a page if it was given before."""

    template_name = "thirdparty/consent.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.GET.get("prompt") != "none":
            return super().get(request, *args, **kwargs)
        asked = request.GET.copy()
        asked["approval_prompt"] = "auto"
        request.GET = asked  # type: ignore[assignment]
        response = super().get(request, *args, **kwargs)
        if response.status_code != 200:
            return response
        # A client that wants no page is told that one is needed (OpenID Connect Core, 3.1.2.6).
        return self.redirect(_consent_required(self.oauth2_data), self.oauth2_data["application"])


def _consent_required(data: dict[str, Any]) -> str:
    answer = {"error": "consent_required", "iss": oauth2_settings.OIDC_ISS_ENDPOINT}
    if data.get("state"):
        answer["state"] = data["state"]
    separator = "&" if "?" in data["redirect_uri"] else "?"
    return str(data["redirect_uri"]) + separator + urlencode(answer)


class Token(TokenView):
    """One token request at a time: of several with one refresh token exactly one is first."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        with transaction.atomic():
            return super().post(request, *args, **kwargs)

    def create_token_response(self, request: HttpRequest) -> tuple[Any, Any, str, int]:
        uri, headers, body, status = super().create_token_response(request)
        return uri, {**headers, "Content-Type": "application/json"}, body, status


class Revoke(RevokeTokenView):
    """RFC 7009."""


class Validator(OAuth2Validator):
    """The toolkit's rules; a client may keep its refresh token, or be held to one way to log in."""

    def authenticate_client(self, request: Any, *args: Any, **kwargs: Any) -> bool:
        basic = self._authenticate_basic_auth(request)
        if not basic and not self._authenticate_request_body(request):
            return False
        taken = switches.habit("client_authentication", request.client.client_id)
        return taken in (None, "client_secret_basic" if basic else "client_secret_post")

    def rotate_refresh_token(self, request: Any) -> bool:
        return not switches.habit("keep_refresh_token", request.client.client_id)

    def save_bearer_token(
        self, token: dict[str, Any], request: Any, *args: Any, **kwargs: Any
    ) -> None:
        super().save_bearer_token(token, request, *args, **kwargs)
        if request.grant_type == "refresh_token" and not self.rotate_refresh_token(request):
            # As many servers do: what has not changed is not sent again.
            token.pop("refresh_token", None)


@receiver(app_authorized)
def _remember_user(request: HttpRequest, token: AccessToken, **_: Any) -> None:
    request.acme_user = token.user.username if token.user else ""  # type: ignore[attr-defined]


def register(
    client_id: str,
    client_secret: str = "",
    redirect_uris: str | list[str] = "",
    *,
    name: str = "Connected Systems",
    grant_type: str = "authorization_code",
) -> Application:
    """Make or replace a client. Without a secret it is public and authenticates with none."""
    if isinstance(redirect_uris, list):
        redirect_uris = " ".join(redirect_uris)
    values = {
        "name": name,
        "client_secret": client_secret,
        "redirect_uris": redirect_uris,
        "client_type": "confidential" if client_secret else "public",
        "authorization_grant_type": grant_type.replace("_", "-"),
    }
    client, _ = Application.objects.update_or_create(client_id=client_id, defaults=values)
    return client
