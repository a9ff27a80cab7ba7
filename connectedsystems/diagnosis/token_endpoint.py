"""Failures at the token endpoint: what came instead of a token, and what came with less."""

from __future__ import annotations

from .entry import (
    BY_FIELD,
    DESIGNER,
    END_USER,
    OWNER,
    TELL,
    Entry,
    Variant,
    fact,
    mentions,
    status_from,
)

_NOT_SET_UP = f"This connection is not set up correctly, and trying again will not help. {TELL}"
_STRANGE = (
    "The other system gave an answer that cannot be used, so nothing was stored."
    f" You did nothing wrong. {TELL}"
)
_WRONG_ENDPOINT = (
    "Copy the Token Request Endpoint from the other system's documentation again,"
    " to the last character."
)

ENTRIES: dict[str, Entry] = {
    "token_http_error": Entry(
        title="The other system did not answer as expected",
        status=502,
        seen="The token request[ to {host}][, path {path},] was answered with an error"
        "[, status {status}], and not in the way of a token endpoint[ ({during})]."
        "[ Its answer begins: “{excerpt}”.]",
        cause="The Token Request Endpoint is wrong, most likely: something else answered"
        " at that address.",
        fix=_WRONG_ENDPOINT,
        user=_STRANGE,
        who=(DESIGNER, OWNER),
        look_at="token_endpoint",
        variants=(
            Variant(
                label="the status is 404 or 410",
                when=fact("status", 404, 410),
                cause="There is nothing at the Token Request Endpoint that is entered here.",
            ),
            Variant(
                label="the status is 405",
                when=fact("status", 405),
                cause="The address exists and does not take a token request: the Token Request"
                " Endpoint is a page for people, most likely the Authorization Endpoint,"
                " or wants another method.",
                fix=f"{_WRONG_ENDPOINT} If the documentation asks for another method than POST,"
                " choose it as well.",
            ),
            Variant(
                label="the status is 401 or 403",
                when=fact("status", 401, 403),
                cause="Something in front of the token endpoint refused the request, or the Token"
                " Request Endpoint is an address that wants a log-in.",
                fix=f"{_WRONG_ENDPOINT} If it is right, ask the other system's owner whether"
                " requests from this site are let through.",
            ),
            Variant(
                label="the status is 500 or above",
                when=status_from(500, 599),
                cause="The other system has a fault of its own, or the Token Request Endpoint is"
                " wrong and what answers there fell over the request.",
                fix="Wait a little and authorize again. If it stays, check the Token Request"
                " Endpoint, then ask the other system's owner.",
                user="The other system had a fault of its own. Please wait a little and start"
                " again. If it happens again, ask the designer of this connection.",
                who=(OWNER, DESIGNER),
                retry=True,
            ),
        ),
    ),
    "token_not_json": Entry(
        title="The other system's answer cannot be read",
        status=502,
        seen="The token request[ to {host}] was answered[ with status {status}, and] with something"
        " that is not the JSON object of a token endpoint[: {reason}]."
        "[ It begins: “{excerpt}”.]",
        cause="The Token Request Endpoint is wrong, most likely:"
        " a web page or another service answered.",
        fix=_WRONG_ENDPOINT,
        user=_STRANGE,
        who=(DESIGNER, OWNER),
        look_at="token_endpoint",
    ),
    "token_missing": Entry(
        title="The other system's answer is incomplete",
        status=502,
        seen="The token request[ to {host}] was answered[ with status {status}],"
        " and the answer holds no access token.",
        cause="The Token Request Endpoint is that of another service,"
        " or the other system puts the token in another place of its answer.",
        fix="Check the Token Request Endpoint. If the other system's documentation shows the token"
        " elsewhere in the answer, enter that place under Token response.",
        user=_STRANGE,
        who=(DESIGNER, OWNER),
        look_at="token_endpoint",
    ),
    "token_malformed": Entry(
        title="The other system's answer cannot be used",
        status=502,
        seen="A value in the answer to the token request cannot be used[: {field}][ ({reason})].",
        cause="It has the wrong type, is too long, or holds characters that cannot be sent"
        " in a request.",
        fix="If Token response says where to find the values, check those paths."
        " If not, ask the other system's owner.",
        user=_STRANGE,
        who=(OWNER, DESIGNER),
        look_at="token_response",
    ),
    "expression_too_costly": Entry(
        title="Reading the other system's answer takes too much work",
        status=502,
        seen="An expression was given up on the other system's answer[: {field}][; {reason}].",
        cause="The expression multiplies what it is given, or the answer is very large. All"
        " expressions on one answer have 100,000 steps together, 200,000 values and half a second.",
        fix="Make the expression simpler: take what is needed by its path. Then authorize again.",
        user=_NOT_SET_UP,
        who=(DESIGNER,),
        look_at=BY_FIELD,
    ),
    "pattern_unsupported": Entry(
        title="A pattern for a captured value cannot be used",
        status=502,
        seen="The pattern of a captured value cannot be used[: {name}][; {reason}].",
        cause="Patterns are matched by RE2, which refuses what can take for ever: references back"
        " to a group, looking ahead or behind, very large repetitions. This one was saved before"
        " that was checked.",
        fix="Write the pattern without the part that is named, and save. Existing authorizations"
        " keep the values that they have.",
        user=_NOT_SET_UP,
        who=(DESIGNER,),
        look_at="capture_patterns",
    ),
    "token_type_unsupported": Entry(
        title="This kind of permission is not supported",
        status=502,
        seen="The other system gave a token of another type than Bearer[: {received}].",
        cause="Only bearer tokens can be used here. This type asks for a proof with each request.",
        fix="In the other system, switch this client to bearer tokens (for example, DPoP off).",
        user=_NOT_SET_UP,
        who=(DESIGNER, OWNER),
    ),
    "token_refused": Entry(
        title="The other system gave no permission",
        status=502,
        seen="The other system refused the token request[: {error}][, status {status}]"
        "[ ({during})].",
        cause="It names the reason itself; more is not known here.",
        fix="Look the error up in the other system's documentation, and compare the settings of"
        " this client there with those shown here. Then authorize again.",
        user="The other system did not finish what you started. Please start again."
        " If it happens again, ask the designer of this connection.",
        who=(DESIGNER, OWNER),
        look_at="token_endpoint",
        retry=True,
        variants=(
            Variant(
                label="its words are about the code verifier",
                when=mentions("verifier", "pkce", "code_challenge", "code challenge"),
                cause="The other system did not accept the code verifier (PKCE).",
                fix="Compare PKCE here with the settings of this client there. Switch it off only"
                " if the other system's documentation says that it does not know PKCE.",
                user=_NOT_SET_UP,
                look_at="pkce",
                retry=False,
            ),
            Variant(
                label="the error is invalid_grant",
                when=fact("error", "invalid_grant"),
                cause="Most likely, in this order: the code had expired, for it lives for a few"
                " minutes at most; it had been used before; the redirect URI differs from the one"
                " registered there; the code verifier (PKCE) was not accepted.",
                fix="Authorize again without a pause. If it stays, compare the redirect URI"
                " (callback URL) there with the one shown here, character for character; then"
                " compare PKCE with the settings of this client there.",
                who=(END_USER, DESIGNER),
                look_at="redirect_uri",
                also=("pkce",),
            ),
            Variant(
                label="the error is unsupported_grant_type",
                when=fact("error", "unsupported_grant_type"),
                cause="What answers at the Token Request Endpoint does not know this grant.",
                fix=f"{_WRONG_ENDPOINT} Then allow the grant for this client there.",
                user=_NOT_SET_UP,
                retry=False,
            ),
            Variant(
                label="the error is invalid_request",
                when=fact("error", "invalid_request"),
                cause="A parameter is missing, unexpected or wrong for the other system. Some also"
                " say so when the redirect URI differs or the code verifier (PKCE) is wrong.",
                fix="Compare the redirect URI first, then PKCE, then the Token parameters, with"
                " the other system's documentation.",
                user=_NOT_SET_UP,
                look_at="redirect_uri",
                also=("pkce", "token_parameters"),
                retry=False,
            ),
        ),
    ),
    "client_auth_failed": Entry(
        title="The other system does not recognize this site",
        status=502,
        seen="The other system does not accept this site's Client ID and Client Secret"
        "[: {error}][, status {status}][ ({during})].",
        cause="The Client Secret is not the one shown there; or the Client ID is another one;"
        " or the other system wants them sent in another way (in the header, or in the body).",
        fix="Enter the Client Secret again, as shown in the other system, without blanks."
        " Compare the Client ID. If both are right, choose the other client authentication.",
        user=_NOT_SET_UP,
        who=(DESIGNER,),
        look_at="client_secret",
        also=("client_id", "client_authentication"),
        variants=(
            Variant(
                label="while a token was renewed",
                when=fact("stage", "refresh"),
                also=(),
                cause="It worked before, so the Client Secret was most likely changed or has ended"
                " in the other system. All authorizations are kept.",
                fix="Make or look up the present Client Secret in the other system, and enter it"
                " here. Nobody needs to authorize again.",
                user="The other system no longer accepts this site's own log-in. Your permission"
                f" is kept, and you need not give it again. {TELL}",
            ),
            Variant(
                label="the error is unauthorized_client",
                when=fact("error", "unauthorized_client"),
                cause="This client may not use this grant there. Some systems also say so when the"
                " Client Secret or the redirect URI is wrong.",
                fix="In the other system, allow the grant for this client. Then enter the Client"
                " Secret again, and compare the redirect URI.",
            ),
        ),
    ),
    "redirect_uri_mismatch": Entry(
        title="The other system does not know this site's address",
        status=502,
        seen="The other system refused this site's redirect URI[: {error}][, status {status}].",
        cause="The redirect URI registered there is not the one shown here.",
        fix="Copy the redirect URI (also called callback URL) shown here into the other system,"
        " character for character. Then authorize again.",
        user=_NOT_SET_UP,
        who=(DESIGNER,),
        look_at="redirect_uri",
    ),
    "capture_missing": Entry(
        title="A value of the other system is missing",
        status=502,
        seen="A request needs a captured value that is not there[: {name}].",
        cause="The other system's answer did not hold it where the capture looks for it,"
        " it does not fit the capture's pattern,"
        " or the authorization is older than the capture.",
        fix="Check the capture's path and pattern. Then authorize again.",
        user="Something that the other system should have told us is missing. Authorize again."
        " If it stays, ask the designer of this connection.",
        who=(DESIGNER, END_USER),
        look_at="captures",
        retry=True,
    ),
    "scope_reduced": Entry(
        title="Less was granted than asked for",
        status=200,
        kind="warning",
        seen="Not everything in the Scope was granted[; not granted: {missing_scope}]"
        "[; granted: {granted_scope}].",
        cause="The user left something out, or the other system does not know a name in the Scope"
        " or does not give it to this client.",
        fix="If it is needed, authorize again and leave everything ticked. If it is missing for"
        " everyone, compare the Scope with the other system's documentation.",
        user="Fewer permissions were given than we asked for[; not granted: {missing_scope}]."
        " What works without them goes on working; for the rest, authorize again and leave"
        " everything ticked.",
        who=(END_USER, DESIGNER),
        look_at="scope",
        retry=True,
    ),
    "refresh_token_missing": Entry(
        title="This authorization will end by itself",
        status=200,
        kind="warning",
        seen="No refresh token came with this authorization.",
        cause="Some systems give one only if asked: by a name in the Scope such as offline_access,"
        " or by parameters such as access_type=offline and prompt=consent;"
        " some give it only the first time.",
        fix="Look up offline access in the other system's documentation, set the Scope or the"
        " Authorization parameters accordingly, and authorize again.",
        user="This works now. After a while you will be asked to authorize again.",
        who=(DESIGNER,),
        look_at="authorization_parameters",
    ),
}
