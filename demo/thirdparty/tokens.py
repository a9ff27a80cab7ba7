"""What Acme does to issued tokens: expire them, revoke them, want consent again."""

from datetime import timedelta

from django.db.models import QuerySet
from django.utils import timezone
from oauth2_provider.models import AccessToken, Grant, RefreshToken


def expire(client: str = "") -> int:
    """Let every access token (of one client) end now; how many there were."""
    tokens = _of(AccessToken.objects.all(), client, "")
    return tokens.update(expires=timezone.now() - timedelta(seconds=1))


def revoke(client: str = "", username: str = "") -> int:
    """End every token and open code (of a client, of a user); how many refresh tokens that were."""
    _of(Grant.objects.all(), client, username).delete()
    live = _of(RefreshToken.objects.filter(revoked=None), client, username)
    ended = live.update(revoked=timezone.now())
    _of(AccessToken.objects.all(), client, username).delete()
    return ended


def want_consent_again(client: str = "") -> int:
    """End refresh tokens alone: access tokens live out, then the user must approve again."""
    live = _of(RefreshToken.objects.filter(revoked=None), client, "")
    return live.update(revoked=timezone.now(), access_token=None)


def _of(rows: QuerySet, client: str, username: str) -> QuerySet:
    if client:
        rows = rows.filter(application__client_id=client)
    if username:
        rows = rows.filter(user__username=username)
    return rows
