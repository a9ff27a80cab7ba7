"""The page, below /pages/breaking/."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from authlinks.models import Authorization

app_name = "breaking"


def breaks(request: HttpRequest) -> HttpResponse:
    """Opens both tokens, and repeats them in what it raises."""
    row = Authorization.objects.get(user=request.user)
    opened = {}
    for column in ("access_token", "refresh_token"):
        opened[column] = getattr(row, column).open(row.place(column))
    secret = row.system.opened_secrets()["client_secret"]
    raise RuntimeError(f"It breaks with {opened} and {secret}.")


urlpatterns = [path("", breaks, name="breaks")]
