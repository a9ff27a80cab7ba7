"""The pages of Acme CRM for people: home, log-in, and taking a client's access away."""

from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import LoginView
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_POST
from oauth2_provider.models import RefreshToken

from demo.thirdparty.models import Contact, Note
from demo.thirdparty.people import PEOPLE
from demo.thirdparty.settings import HERE
from demo.thirdparty.tokens import revoke


class LogIn(LoginView):
    """The log-in page, which shows the passwords: it is a demo."""

    template_name = "thirdparty/login.html"
    extra_context = {
        "people": [
            {"username": username, "name": name, "password": password}
            for username, (name, password, _, _) in PEOPLE.items()
        ]
    }


@login_required
def home(request: HttpRequest) -> HttpResponse:
    """What the user keeps here, and which clients may see it."""
    live = RefreshToken.objects.filter(user=request.user, revoked=None, access_token__isnull=False)
    shown = {
        "contacts": Contact.objects.filter(owner=request.user),
        "notes": Note.objects.filter(owner=request.user).select_related("contact"),
        "clients": live.values_list("application__client_id", "application__name").distinct(),
    }
    return render(request, "thirdparty/home.html", shown)


@login_required
@require_POST
def remove_access(request: HttpRequest) -> HttpResponse:
    """End what a client may do in the user's name."""
    revoke(client=request.POST.get("client", ""), username=request.user.get_username())
    return redirect("home")


@cache_control(max_age=300)
def style(request: HttpRequest) -> FileResponse:
    """The style sheet of all pages."""
    return FileResponse((HERE / "acme.css").open("rb"), content_type="text/css")
