"""A page of a customer's that calls inside a transaction, at /; and the product's error pages."""

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import path

from config.urls import handler500  # noqa: F401
from integrations import call_integration


def calls(request: HttpRequest) -> HttpResponse:
    with transaction.atomic():
        call_integration("list-contacts", request.user)
    return HttpResponse("unreachable")


urlpatterns = [path("", calls)]
