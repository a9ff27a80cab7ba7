"""The addresses of Acme CRM."""

from django.contrib.auth.views import LogoutView
from django.urls import include, path, re_path
from oauth2_provider.views import OAuthServerMetadataView

from demo.thirdparty import api, control, oauth, pages

# The toolkit finds its own addresses by this namespace and these names.
endpoints = (
    [
        path("oauth/authorize", oauth.Authorize.as_view(), name="authorize"),
        path("oauth/token", oauth.Token.as_view(), name="token"),
        path("oauth/revoke", oauth.Revoke.as_view(), name="revoke-token"),
        path(
            ".well-known/oauth-authorization-server",
            OAuthServerMetadataView.as_view(),
            name="oauth-server-metadata",
        ),
    ],
    "oauth2_provider",
)

urlpatterns = [
    path("", pages.home, name="home"),
    path("login/", pages.LogIn.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("access/remove/", pages.remove_access, name="remove-access"),
    path("acme.css", pages.style, name="style"),
    path("", include(endpoints)),
    path("api/status", api.status),
    path("api/me", api.me),
    path("api/contacts", api.contacts),
    path("api/contacts/<int:pk>", api.contact),
    path("api/notes", api.notes),
    re_path("^api/", api.nothing_here),
    path("control/", control.control, name="control"),
    path("control/reset", control.reset, name="reset"),
]
