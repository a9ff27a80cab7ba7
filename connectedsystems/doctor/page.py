"""What the Authorization Endpoint shows to a browser that nobody has logged in with."""

from __future__ import annotations

from urllib.parse import urlsplit

from connectedsystems import outbound
from connectedsystems.errors import Failure, OutboundFailure
from connectedsystems.oauth import authorization
from connectedsystems.oauth.client import Client

from .step import MOST_BYTES, SECONDS, Step, failed, label

_NAME, _KEY = "authorization page", "authorization_endpoint"
_BROWSER = "A browser may see its log-in there: click Authorize to see."
_COMPARE = (
    "Compare the Client ID and the redirect URI there with those here, character for character."
)
_NOT_REGISTERED = "The redirect URI is not registered there as it is written here."
# Errors that a page may name: the field that is wrong, the cause.
_NAMED_BY_PAGE = {
    "invalid_client": ("client_id", "It does not know this Client ID."),
    "invalid_redirect_uri": ("redirect_uri", _NOT_REGISTERED),
    "redirect_uri_mismatch": ("redirect_uri", _NOT_REGISTERED),
}
_FIELD_OF_ERROR = {
    "invalid_scope": ("scope_refused", "scope", "The Scope holds a name that it does not know."),
    "unauthorized_client": (
        "provider_error",
        "client_id",
        "This Client ID may not use the Authorization Code grant there.",
    ),
    "invalid_client": ("provider_error", "client_id", "It does not know this Client ID."),
}


def authorization_page(client: Client) -> Step:
    """Whether it answers like an authorization endpoint, or shows an error of its own."""
    try:
        url = authorization.begin(client).url
        request = outbound.Request(
            "GET",
            url,
            {"Accept": "text/html"},
            deadline=outbound.deadline_in(SECONDS),
            max_bytes=MOST_BYTES,
            follow_same_origin=True,
        )
        reply = outbound.send(request)
    except OutboundFailure as failure:
        return _led_on(client, failure)
    except Failure as failure:
        return failed(_NAME, failure, _KEY)
    return _shown(reply, urlsplit(reply.url).path != urlsplit(url).path)


def _named(reply: outbound.Reply) -> Step | None:
    """The one error of ours that an error page names; None where there is none, or several."""
    page = reply.body.decode("utf-8", "replace")
    named = [error for error in _NAMED_BY_PAGE if error in page]
    if reply.status < 400 or len(named) != 1:
        return None
    key, cause = _NAMED_BY_PAGE[named[0]]
    sentence = f"The other system answers {reply.status}, and its page says {named[0]}."
    fix = f"Compare the {label(key)} there with the one here, character for character."
    return Step(_NAME, "fail", sentence, "attempt_not_finished", key, cause, fix)


def _shown(reply: outbound.Reply, elsewhere: bool) -> Step:
    named = _named(reply)
    if named is not None:
        return named
    if reply.status >= 400 and elsewhere:
        sentence = (
            f"The address leads on to another page, which answers {reply.status} to us, who keep no"
            f" cookies. {_BROWSER}"
        )
        return Step(_NAME, "unknown", sentence, "", _KEY)
    if reply.status in (404, 405) or reply.status >= 500:
        sentence = f"The address answers {reply.status}, so it is not the Authorization Endpoint."
        cause = "The path is another one, or the address belongs to something else."
        fix = "Take the Authorization Endpoint from the other system's documentation."
        return Step(_NAME, "fail", sentence, "attempt_not_finished", _KEY, cause, fix)
    if reply.status >= 400:
        sentence = f"The other system answers {reply.status} to our Client ID and redirect URI."
        cause = (
            "One of them is not registered there as it is written here, or it wants something else."
        )
        code, key = "attempt_not_finished", "redirect_uri"
        return Step(_NAME, "fail", sentence, code, key, cause, _COMPARE, also=("client_id",))
    content_type = reply.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if content_type in ("application/json", "application/problem+json"):
        sentence = "The address answers with JSON, and not with a page to log in on."
        cause = "It may be an address for programs, such as the Token Request Endpoint."
        fix = "Compare the Authorization Endpoint with the other system's documentation."
        return Step(_NAME, "unknown", sentence, "", _KEY, cause, fix)
    sentence = (
        "The other system shows a page. Whether it knows our Client ID and redirect URI, many say"
        " only after somebody has logged in there: click Authorize to see."
    )
    return Step(_NAME, "ok", sentence, "", _KEY)


def _led_on(client: Client, failure: OutboundFailure) -> Step:
    if failure.code == "too_large":
        return Step(_NAME, "unknown", "The page is larger than we read.", "", _KEY)
    if failure.code != "redirect_refused":
        return failed(_NAME, failure, _KEY)
    if failure.facts.get("target_host") != outbound.host_of(client.redirect_uri):
        return Step(_NAME, "ok", "The other system leads on to its log-in page.", "", _KEY)
    error = str(failure.facts.get("target_error") or "")
    code, key, cause = _FIELD_OF_ERROR.get(
        error, ("scope_refused", "scope", "It refuses something of the request, often the Scope.")
    )
    if error == "invalid_request":
        code, key = "provider_error", "pkce" if client.pkce == "off" else "authorization_parameters"
        cause = (
            "It misses something in the request; PKCE is off here, and may be demanded there."
            if client.pkce == "off"
            else "It misses something in the request, or does not take one of its parameters."
        )
    sentence = "The other system sends the browser back at once, without asking anybody"
    sentence += f": {error}." if error else "."
    return Step(_NAME, "fail", sentence, code, key, cause, "Correct it here or there, check again.")
