"""The app as Django sees it."""

from django.apps import AppConfig


class ConnectedSystemsConfig(AppConfig):
    name = "connectedsystems"
    verbose_name = "Connected systems"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from connectedsystems import checks, logins, lostkeys, vault  # noqa: F401

        vault.ask_for_lost_keys(lostkeys.names)
