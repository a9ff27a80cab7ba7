"""The demo as Django sees it: installed with DEMO=1 alone."""

from django.apps import AppConfig


class DemoConfig(AppConfig):
    name = "demo"
    verbose_name = "Demo"
