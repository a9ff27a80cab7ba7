"""Which client and user a request speaks for, by its credentials before they are checked."""

import base64
import binascii
import hashlib
from urllib.parse import unquote_plus

from django.http import HttpRequest
from oauth2_provider.models import AccessToken


def client_of(request: HttpRequest) -> str:
    """The client ID behind the Bearer token, in form, query or Basic header; else empty."""
    if token := access_token_of(request):
        return token.application.client_id if token.application else ""
    named = request.POST.get("client_id") or request.GET.get("client_id")
    return named or _basic_user(request.headers.get("Authorization", ""))


def access_token_of(request: HttpRequest) -> AccessToken | None:
    """The row behind the Bearer token, valid or not; looked up once a request."""
    if not hasattr(request, "_acme_token"):
        request._acme_token = _look_up(request.headers.get("Authorization", ""))  # type: ignore[attr-defined]
    return request._acme_token  # type: ignore[attr-defined]


def _look_up(authorization: str) -> AccessToken | None:
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token:
        return None
    checksum = hashlib.sha256(token.encode()).hexdigest()
    rows = AccessToken.objects.select_related("application", "user")
    return rows.filter(token_checksum=checksum).first()


def _basic_user(authorization: str) -> str:
    scheme, _, text = authorization.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return unquote_plus(base64.b64decode(text).decode().partition(":")[0])
    except (binascii.Error, UnicodeDecodeError):
        return ""
