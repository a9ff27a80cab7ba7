"""Acme CRM as a Django app of its own site; the product never installs it."""

from django.apps import AppConfig


class ThirdPartyConfig(AppConfig):
    """The app `thirdparty`, known to `python -m demo.thirdparty` alone."""

    name = "demo.thirdparty"
    label = "thirdparty"
    verbose_name = "Acme CRM"
    default_auto_field = "django.db.models.BigAutoField"
