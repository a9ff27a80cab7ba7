"""Django's settings, made of what ``config.env`` has read and checked."""

from __future__ import annotations

import importlib
import warnings
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from csp.constants import NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE
from django.templatetags.static import static

from config import env, logs

BASE_DIR = env.BASE_DIR
_env = env.load()
_address = urlsplit(_env.public_base_url)  # without a port where it is its scheme's
_https = _address.scheme == "https"

# What the product itself reads

SECRET_KEY = _env.secret_key
VAULT_KEYS = _env.vault_keys
DEBUG = _env.debug
DEMO = _env.demo
PUBLIC_BASE_URL = _env.public_base_url
OUTBOUND_ALLOW = _env.outbound_allow
RATE_LIMITS = _env.rate_limits
TIME_LIMITS = _env.time_limits
BUNDLE_VALUES = env.bundle_values()
WEB_CONCURRENCY = _env.web_concurrency
WEB_THREADS = _env.web_threads
CACHE_IS_SHARED = _env.cache_is_shared
EXTRA_APPS = _env.extra_apps

# Apps

for _name in EXTRA_APPS:
    try:
        importlib.import_module(_name)
    except ModuleNotFoundError as _missing:
        # A dotted path may also name an AppConfig; Django imports that one itself.
        if _missing.name != _name or not _name.rpartition(".")[2][:1].isupper():
            env.stop(f"EXTRA_APPS names {_name}, which cannot be imported: {_missing}.")
    except Exception as _broken:
        env.stop(f"EXTRA_APPS names {_name}, which fails to import: {_broken!r}.")

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "axes",
    "csp",
    "connectedsystems",
    "authlinks",
    "integrations",
    "workbench",
    *(["demo"] if DEMO else []),
    *EXTRA_APPS,
]

MIDDLEWARE = [
    "config.middleware.SecretsStayInside",
    "config.middleware.RequestLog",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "config.middleware.ContentSecurityPolicy",
    "config.middleware.PermissionsPolicy",
    "config.middleware.ProxySeen",
    "config.middleware.PublicAddress",
    "config.middleware.NoZeroBytes",
    "config.charsets.Utf8Alone",
    "config.sizes.BodySize",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.middleware.NotKept",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "config.middleware.WhoAsks",
    "django.contrib.messages.middleware.MessageMiddleware",
    "config.middleware.OwnPages",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "config.shell.shell",
            ],
        },
    },
]

# Database

DATABASES: dict[str, dict[str, Any]] = {"default": _env.database}
_options: dict[str, Any] = DATABASES["default"].setdefault("OPTIONS", {})
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # Writers queue instead of failing. `synchronous` stays FULL: a renewed token that a power cut
    # takes back is lost for ever.
    _options.update(
        transaction_mode="IMMEDIATE",
        timeout=20,
        init_command="PRAGMA journal_mode=WAL",
    )
else:
    # Django holds a connection through the whole request, also while the other system is slow.
    # Statements are prepared by the server: planning a join takes longer than running it. Behind a
    # pooler that cannot (PgBouncer before 1.21), add ?server_side_binding=0 to DATABASE_URL.
    _options.setdefault("server_side_binding", True)
    _options.setdefault("prepare_threshold", 5)
    # A database that is away is waited for as long as a fresh token is tried to be saved, and asked
    # for anew by whoever comes next: the pool's own pauses double up to minutes.
    _pool = {"min_size": 1, "max_size": WEB_THREADS + 4, "timeout": 5, "reconnect_timeout": 5}
    _options.setdefault("pool", _pool)
    # A database that restarted has hung up on every connection of the pool, and each would cost
    # somebody a page. To ask first was measured over HTTP: no difference that could be told.
    DATABASES["default"].setdefault("CONN_HEALTH_CHECKS", True)
DATABASES["default"].update(CONN_MAX_AGE=0, ATOMIC_REQUESTS=False)

CACHES = {"default": _env.cache}
globals().update(_env.email)

# People

AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
# Long rather than odd (NIST SP 800-63B): no rules about kinds of letters, and none by the calendar.
AUTH_PASSWORD_VALIDATORS: list[dict[str, Any]] = [
    {"NAME": f"django.contrib.auth.password_validation.{name}", "OPTIONS": options}
    for name, options in (
        ("UserAttributeSimilarityValidator", {}),
        ("MinimumLengthValidator", {"min_length": 12}),
        ("CommonPasswordValidator", {}),
        ("NumericPasswordValidator", {}),
    )
]
LOGIN_URL = "/accounts/login/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/accounts/login/"

AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_FAILURE_LIMIT = 8
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_CALLABLE = "config.accounts.locked_out"
AXES_CLIENT_IP_CALLABLE = "config.loginlimits.limited_address"
AXES_HANDLER = "config.loginlimits.Handler"
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False

# Cookies and headers

# Browsers give a cookie to every port of a host: two products side by side, each on a port of its
# own, would log each other out.
_prefix = "__Host-" if _https else ""
_port = f"_{_address.port}" if _address.port else ""

SESSION_COOKIE_NAME = f"{_prefix}sessionid{_port}"
SESSION_COOKIE_SECURE = _https
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 7 * 24 * 3600

CSRF_COOKIE_NAME = f"{_prefix}csrftoken{_port}"
CSRF_COOKIE_SECURE = _https
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
MESSAGE_STORAGE = "config.messages.Messages"
MESSAGES_COOKIE_NAME = f"{_prefix}messages{_port}"
CSRF_TRUSTED_ORIGINS = [PUBLIC_BASE_URL]
CSRF_FAILURE_VIEW = "config.errorpages.csrf_failure"

ALLOWED_HOSTS = _env.allowed_hosts
TRUSTED_PROXY = _env.trusted_proxy
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXY else None
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if _https else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = False
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
# A page with an authorization link opens the other system in a pop-up that has to outlive it.
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin-allow-popups"
X_FRAME_OPTIONS = "DENY"
# Other names of the host, and http, are redirected by PublicAddress; HSTS speaks for this host
# alone, since its neighbours are not ours to decide about; the rest follows PUBLIC_BASE_URL.
SILENCED_SYSTEM_CHECKS = [
    "security.W004",
    "security.W005",
    "security.W008",
    "security.W012",
    "security.W016",
    "security.W021",
]

PERMISSIONS_POLICY = ", ".join(
    f"{feature}=()"
    for feature in (
        "accelerometer",
        "camera",
        "display-capture",
        "geolocation",
        "gyroscope",
        "magnetometer",
        "microphone",
        "midi",
        "payment",
        "usb",
    )
)

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}
# Unfold's pages evaluate expressions and carry inline styles: under /admin/ alone.
CONTENT_SECURITY_POLICY_DESK = {
    **CONTENT_SECURITY_POLICY["DIRECTIVES"],
    "script-src": [SELF, UNSAFE_EVAL],
    "style-src": [SELF, UNSAFE_INLINE],
}

# How much a request may hold is decided in config.sizes, before anything reads it.
DATA_UPLOAD_MAX_MEMORY_SIZE = 12 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2000
DATA_UPLOAD_MAX_NUMBER_FILES = 10

# Static files: with collectstatic their names hold a digest, without it they are found in place.

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
_collected = (STATIC_ROOT / "staticfiles.json").is_file()
WHITENOISE_USE_FINDERS = not _collected
WHITENOISE_ALLOW_ALL_ORIGINS = False
warnings.filterwarnings("ignore", "No directory at", UserWarning)
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if _collected
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}

# Words and times

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

# Logs and error reports

LOGGING_CONFIG = None
LOG_LEVEL = _env.log_level
logs.configure(LOG_LEVEL)
DJANGO_STRUCTLOG_IP_LOGGING_ENABLED = False
DEFAULT_EXCEPTION_REPORTER = "config.reports.QuietReporter"
DEFAULT_EXCEPTION_REPORTER_FILTER = "config.reports.QuietFilter"

# The desk

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Connected Systems",
    "SITE_HEADER": "Connected Systems",
    "SITE_SUBHEADER": "Desk",
    "SITE_SYMBOL": "hub",
    "SITE_URL": "/",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("img/mark.svg")}
    ],
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "SITE_DROPDOWN": [
        {"icon": "home", "title": "Home", "link": "/"},
        {"icon": "link", "title": "My connections", "link": "/connections/"},
    ],
    "BORDER_RADIUS": "6px",
    "COLORS": {
        "primary": {
            "50": "#eef7f6",
            "100": "#d5ebe9",
            "200": "#aed8d4",
            "300": "#7dbdb8",
            "400": "#63b0aa",
            "500": "#43988f",
            "600": "#1f6764",
            "700": "#1a5351",
            "800": "#174342",
            "900": "#143837",
            "950": "#0a2120",
        },
    },
}
