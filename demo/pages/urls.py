"""Where the pages are, below /pages/pages/."""

from django.urls import path

from demo.pages import views

app_name = "pages"

urlpatterns = [
    path("contacts/", views.contacts, name="contacts"),
    path("note/", views.note, name="note"),
]
