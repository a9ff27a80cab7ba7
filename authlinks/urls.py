"""Addresses under ``/connections/``; ``held``, ``callback`` and ``closing`` are reserved slugs."""

from django.urls import path

from authlinks import views

app_name = "authlinks"

urlpatterns = [
    path("", views.connections, name="connections"),
    path("closing/", views.closing, name="closing"),
    path("callback/<uuid:public_id>/", views.callback, name="callback"),
    path("<slug:slug>/authorize/", views.authorize, name="authorize"),
    path("<slug:slug>/question/", views.ask, name="question"),
    path("<slug:slug>/status/", views.status, name="status"),
    path("<slug:slug>/disconnect/", views.disconnect, name="disconnect"),
]
