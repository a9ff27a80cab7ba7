"""The app as Django sees it."""

from django.apps import AppConfig


class AuthLinksConfig(AppConfig):
    name = "authlinks"
    verbose_name = "Authorizations"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from authlinks import signals  # noqa: F401
