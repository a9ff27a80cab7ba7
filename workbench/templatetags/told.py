"""The words of ``workbench.told`` for templates."""

from __future__ import annotations

from django import template

from workbench import told
from workbench.systemfields import labelled

register = template.Library()

register.filter("moment", told.moment)
register.filter("reference_link", told.reference_link)
register.filter("labelled", labelled)
