"""The settings of Acme CRM, built from its command line; no environment, nothing of ours."""

import secrets
from pathlib import Path
from typing import Any

SCOPES = {
    "contacts.read": "See your contacts",
    "contacts.write": "Add contacts in your name",
    "notes.read": "See your notes",
    "notes.write": "Write notes in your name",
    "profile": "See your name",
}
TOKEN_SECONDS = 60
HERE = Path(__file__).parent


def build(public: str, data: Path, token_seconds: int = TOKEN_SECONDS) -> dict[str, Any]:
    """The keyword arguments of `django.conf.settings.configure`.

    `public` is the address people and clients use (scheme, host, port, no slash at the end); `data`
    an existing folder for the database, the request log and the key that signs sessions.
    """
    return {
        "DEBUG": False,
        "SECRET_KEY": _signing_key(data),
        "ALLOWED_HOSTS": ["localhost", "127.0.0.1", "[::1]", public.split("://")[1].split(":")[0]],
        "ROOT_URLCONF": "demo.thirdparty.urls",
        "INSTALLED_APPS": [
            "django.contrib.contenttypes",
            "django.contrib.auth",
            "django.contrib.sessions",
            "oauth2_provider",
            "demo.thirdparty",
        ],
        "MIDDLEWARE": [
            "demo.thirdparty.requestlog.RequestLog",
            "demo.thirdparty.faults.Faults",
            "django.middleware.security.SecurityMiddleware",
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.middleware.clickjacking.XFrameOptionsMiddleware",
        ],
        "TEMPLATES": [
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {
                    "context_processors": [
                        "django.template.context_processors.request",
                        "django.contrib.auth.context_processors.auth",
                    ]
                },
            }
        ],
        "DATABASES": {
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": data / "acme.sqlite3",
                "OPTIONS": {
                    "transaction_mode": "IMMEDIATE",
                    "timeout": 30,
                    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
                },
            }
        },
        # Cookies ignore ports: with Django's names, Acme and the product would log each other out.
        "SESSION_COOKIE_NAME": "acme_session",
        "CSRF_COOKIE_NAME": "acme_csrf",
        "LOGIN_URL": "/login/",
        "LOGIN_REDIRECT_URL": "/",
        "LOGOUT_REDIRECT_URL": "/login/",
        "APPEND_SLASH": False,
        "USE_TZ": True,
        "TIME_ZONE": "UTC",
        "USE_I18N": False,
        "DEFAULT_AUTO_FIELD": "django.db.models.BigAutoField",
        "PASSWORD_HASHERS": ["demo.thirdparty.people.QuickHasher"],
        "OAUTH2_PROVIDER": _oauth(public, token_seconds),
        "ACME_PUBLIC": public,
        "ACME_DATA": data,
        "LOGGING": {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"plain": {"format": "acme: %(levelname)s %(name)s %(message)s"}},
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain"}},
            "root": {"handlers": ["stderr"], "level": "ERROR"},
            # Its "Forbidden: …" lines repeat what stands in requests.log.
            "loggers": {"django": {"handlers": [], "level": "ERROR", "propagate": True}},
        },
    }


def _oauth(public: str, token_seconds: int) -> dict[str, Any]:
    return {
        "SCOPES": SCOPES,
        "DEFAULT_SCOPES": ["profile"],
        "ACCESS_TOKEN_EXPIRE_SECONDS": token_seconds,
        "EXTRA_SERVER_KWARGS": {"token_expires_in": _lifetime},
        "OAUTH2_VALIDATOR_CLASS": "demo.thirdparty.oauth.Validator",
        "PKCE_REQUIRED": _pkce_required,
        "ROTATE_REFRESH_TOKEN": True,
        "REFRESH_TOKEN_GRACE_PERIOD_SECONDS": 0,
        "REFRESH_TOKEN_REUSE_PROTECTION": True,
        "OIDC_ISS_ENDPOINT": public,
        "OAUTH2_RESPONSE_TYPES_SUPPORTED": ["code"],
        "OAUTH2_GRANT_TYPES_SUPPORTED": [
            "authorization_code",
            "refresh_token",
            "client_credentials",
        ],
        "COMPLIANT_BCP_RFC9700_IMPLICIT_GRANT": True,
        "COMPLIANT_BCP_RFC9700_PASSWORD_GRANT": True,
        "COMPLIANT_BCP_RFC9700_PKCE_METHOD": True,
        "COMPLIANT_BCP_RFC9700_ACCESS_TOKEN_TRANSPORT": True,
        "COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS": True,
        "COMPLIANT_BCP_RFC9700_TOKEN_STORAGE": True,
    }


def _lifetime(request: Any) -> int:
    """Seconds a new access token lives; oauthlib asks with its own request."""
    from django.conf import settings

    from demo.thirdparty.faults import switches

    chosen = switches.habit("lifetime", request.client.client_id)
    return int(
        settings.OAUTH2_PROVIDER["ACCESS_TOKEN_EXPIRE_SECONDS"] if chosen is None else chosen
    )


def _pkce_required(client_id: str) -> bool:
    from demo.thirdparty.faults import switches

    return switches.habit("pkce_required", client_id) is not False


def _signing_key(data: Path) -> str:
    path = data / "signing-key"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(48))
    return path.read_text()
