"""The home page, each integration's page, held submissions, references."""

from django.urls import path

from integrations import referenceviews, views
from integrations.heldviews import held, held_list

app_name = "integrations"

urlpatterns = [
    path("", views.home, name="home"),
    path("integrations/held/", held_list, name="held_list"),
    path("integrations/held/<uuid:held_id>/", held, name="held"),
    path("integrations/<slug:slug>/", views.integration, name="integration"),
    path("references/", referenceviews.find, name="references"),
    path("references/<str:reference>/", referenceviews.reference, name="reference"),
]
