"""What happens to an authorization later: it is missing, ends, or is not renewed."""

from __future__ import annotations

from .entry import ADMIN, DESIGNER, END_USER, OWNER, TELL, Entry, Variant, fact

_AUTHORIZE_AGAIN = "Authorize again: click the link, log in there and approve."
_ENDED = f"Your permission at {{system|the other system}} has ended. {_AUTHORIZE_AGAIN}"
_BUSY = "{system|The other system} is busy, try again {soon|in a little while}."

ENTRIES: dict[str, Entry] = {
    "needs_authorization": Entry(
        title="Please authorize first",
        status=200,
        kind="ask",
        seen="This user has no usable authorization at this connected system.",
        cause="The user has not authorized yet, or the other system no longer accepts the"
        " authorization.",
        fix="The user clicks the authorization link. Each user does so once, for themselves.",
        user="To go on, allow this site to use {system|the other system} as you:"
        " click the link, log in there and approve.",
        who=(END_USER,),
        variants=(
            Variant(
                label="the outcome of the last renewal was unknown, and the next one was refused",
                when=fact("cause", "refresh_outcome_unknown"),
                cause="The answer to an earlier renewal was lost on the way. The other system had"
                " most likely replaced the refresh token then, and now refuses the old one.",
                user="An answer of {system|the other system} was lost on the way, and with it the"
                f" permission it had renewed. You did nothing wrong. {_AUTHORIZE_AGAIN}",
            ),
            Variant(
                label="the other system refused to renew it",
                when=fact("cause", "refresh_refused"),
                cause="The other system says that the authorization has ended: the user or an"
                " administrator withdrew it there, it was not used for long, or it is too old.",
                user=_ENDED,
            ),
            Variant(
                label="the token was rejected, and renewing it did not help",
                when=fact("cause", "token_rejected"),
                cause="The other system rejected the token, and a renewed one as well if there"
                " was one. If this happens to every user, the Base URL belongs to another system"
                " than the Token Request Endpoint.",
                user="{system|The other system} no longer accepts your permission."
                f" {_AUTHORIZE_AGAIN}",
                who=(END_USER, DESIGNER),
            ),
            Variant(
                label="the token has expired, and there is no refresh token",
                when=fact("cause", "token_expired"),
                cause="The token has expired, and the other system gave no refresh token.",
                user=_ENDED,
            ),
        ),
    ),
    "insufficient_scope": Entry(
        title="One more permission is needed",
        status=200,
        kind="ask",
        seen="The other system wants more scope for this call than the token has"
        "[; missing: {missing_scope}][; granted: {granted_scope}].",
        cause="The user granted less than was asked for, or the Scope here does not hold what this"
        " call needs.",
        fix="If the missing name is not in the Scope, add it and save."
        " Then the user authorizes again and approves it.",
        user="{system|The other system} wants one more permission from you for this"
        "[: {missing_scope}]."
        " Authorize again, and approve everything it asks for.",
        who=(END_USER, DESIGNER),
        look_at="scope",
    ),
    "configuration_changed": Entry(
        title="The connection was changed",
        status=200,
        kind="ask",
        seen="The authorization was obtained under other settings than those of today.",
        cause="A designer changed the Client ID, an endpoint or the Base URL since then."
        " What was approved for the old settings is not sent to the new ones.",
        fix="The user authorizes again. If the change was a mistake, change it back:"
        " the authorizations then count again.",
        user="This connection was changed after you had authorized. Please authorize again.",
        who=(END_USER, DESIGNER),
        variants=(
            Variant(
                label="while the user was away to approve",
                when=fact("stage", "callback", "exchange"),
                status=400,
                kind="error",
                seen="The settings were changed while the user was at the other system.",
                cause="A designer saved other settings in between, so the code was not used.",
                fix="Click Authorize again.",
                user="This connection was changed while you were away, so nothing was stored."
                " Please start again.",
                retry=True,
            ),
            Variant(
                label="what the other system answered leads to another host",
                when=fact("cause", "origin_moved"),
                seen="A renewed authorization would have gone to another host than the one the"
                " user approved[: it was {was}][, and would be {now}].",
                cause="A value that is captured from the other system's answers stands in a host,"
                " and has changed. Its token was sent to neither host.",
                fix="If the other system has moved there, the user authorizes again. If it moves"
                " within one domain, let the pattern in Capture patterns end in that domain"
                " (such as .+\\.example\\.com): later moves are then accepted.",
                user="{system|The other system} would be reached at another address than the one"
                " you approved. Please authorize again.",
                look_at="capture_patterns",
            ),
        ),
    ),
    "refresh_in_progress": Entry(
        title="The permission is being renewed",
        status=503,
        seen="Another request was renewing this user's token and was not done in time.",
        cause="The other system takes long to answer.",
        fix="Try again in a few seconds. If it happens often, allow the integration more time.",
        user="Your permission is being renewed at this moment. Try again in a few seconds.",
        who=(END_USER, OWNER),
        retry=True,
    ),
    "refresh_failed": Entry(
        title="The permission was not renewed",
        status=502,
        seen="The other system refused to renew the token[: {error}][, status {status}].",
        cause="It did not say that the authorization has ended, so it is kept. A setting for"
        " renewing is wrong, or the other system has a fault of its own.",
        fix="Compare the Token Request Endpoint, the Refresh endpoint and the parameters for"
        " refreshing with the other system's documentation.",
        user=f"The other system did not renew your permission. Your permission is kept. {TELL}",
        who=(DESIGNER, OWNER),
        look_at="refresh_endpoint",
        variants=(
            Variant(
                label="the error is invalid_scope",
                when=fact("error", "invalid_scope"),
                cause="The other system no longer gives a part of the Scope.",
                fix="Compare the Scope with the other system's documentation, name by name.",
                look_at="scope",
            ),
            Variant(
                label="the error is unsupported_grant_type",
                when=fact("error", "unsupported_grant_type"),
                cause="What answers there does not renew tokens, or not for this client.",
                fix="In the other system, allow the refresh token grant for this client."
                " Then compare the Token Request Endpoint and the Refresh endpoint.",
            ),
        ),
    ),
    "refresh_outcome_unknown": Entry(
        title="It is not known whether the permission was renewed",
        status=502,
        seen="The token was to be renewed, and no whole answer came back[: {reason}].",
        cause="The connection broke after the request had been sent. The other system may have"
        " replaced the token already.",
        fix="Try again[ in {wait}]: the old refresh token is tried once more. If the other system"
        " refuses it then, the user authorizes again.",
        user="The other system did not answer while your permission was being renewed."
        " Try again[ in {wait}]. It may be that you have to authorize again then.",
        who=(END_USER, OWNER),
        retry=True,
        variants=(
            Variant(
                label="the answer came, and our database did not take it",
                when=fact("unsaved", True),
                status=503,
                seen="The other system renewed the token, and our database took no answer.",
                cause="The database refused it for five seconds, and what was in it is lost. The"
                " other system has most likely ended the old refresh token.",
                fix="An admin looks after the database. The old refresh token is tried once more"
                " after half a minute; if it is refused, the user authorizes again.",
                user="Your permission was renewed, and this site could not keep it. Try again in a"
                " minute. It may be that you have to authorize again then.",
                who=(ADMIN, END_USER),
            ),
        ),
    ),
    "temporarily_unavailable": Entry(
        title="The other system is busy",
        status=502,
        seen="The other system gives no tokens at the moment[, status {status}][: {reason}].",
        cause="It is busy or has a fault of its own.",
        fix="Try again[ in {wait}]. If it stays, ask the other system's owner.",
        user=_BUSY,
        who=(OWNER,),
        retry=True,
        variants=(
            Variant(
                label="while a token was renewed, and no answer came in time",
                when=fact("timed_out", True),
                status=504,
                title="The other system is slow",
                seen="The token was to be renewed, and no whole answer came in time[: {reason}].",
                cause="It is slow, or does not answer at all. The authorization is kept.",
                user=f"{_BUSY} There is no need to authorize again.",
            ),
            Variant(
                label="while a token was renewed",
                when=fact("stage", "refresh"),
                cause="It is busy or has a fault of its own. The authorization is kept.",
                user=f"{_BUSY} There is no need to authorize again.",
            ),
            Variant(
                label="while the code was exchanged",
                when=fact("stage", "callback", "exchange"),
                cause="It is busy or has a fault of its own. The code is not sent a second time.",
                fix="Authorize again[ in {wait}]. If it stays, ask the other system's owner.",
            ),
        ),
    ),
    "revocation_failed": Entry(
        title="Disconnected here, not confirmed there",
        status=200,
        kind="warning",
        seen="The other system[, {host},] did not confirm that it ended the authorization"
        "[: {error}][, status {status}][: {reason}].",
        cause="Its Revocation endpoint is wrong, refused, or could not be reached."
        " Here everything was forgotten all the same.",
        fix="Check the Revocation endpoint. The user can end the authorization in the other"
        " system's own settings.",
        user="You are disconnected here, and nothing of it is kept. The other system did not"
        " confirm it: to be sure, remove this site in your settings there.",
        who=(END_USER, DESIGNER, ADMIN),
        look_at="revocation_endpoint",
        variants=(
            Variant(
                label="while it is tried again",
                when=fact("pending", True),
                title="Disconnected here, not confirmed there yet",
                cause="It gave no answer, or one that says later. It is asked again for 24 hours,"
                " whenever somebody disconnects and whenever refresh_tokens runs.",
                fix="Wait: the audit will say how it ended. If it stays, check the Revocation"
                " endpoint.",
                user="You are disconnected here. The other system did not confirm it yet: it is"
                " asked again for a day. To be sure, remove this site in your settings there.",
            ),
        ),
    ),
    "not_revoked": Entry(
        title="Disconnected here, not revoked there",
        status=200,
        kind="warning",
        seen="The authorization was forgotten here, and the other system was not asked to end it.",
        cause="A token is revoked only where it was obtained for, and this one could not be.",
        fix="The user can end the authorization in the other system's own settings.",
        user="You are disconnected here, and nothing of it is kept. {system|The other system} was"
        " not told: remove this site in your settings there.",
        who=(END_USER, DESIGNER),
        look_at="revocation_endpoint",
        variants=(
            Variant(
                label="the Revocation endpoint leads to another server than before",
                when=fact("cause", "revocation_moved"),
                cause="The Revocation endpoint[ at {host}] is on another server than when the user"
                " authorized, and not on the Token endpoint's. No token was sent there.",
                fix="Check the Revocation endpoint. Users who authorize from now on are revoked"
                " there; earlier ones end it in the other system's own settings.",
            ),
            Variant(
                label="client ID or Token endpoint are others than before",
                when=fact("cause", "client_changed"),
                cause="Client ID or Token endpoint are others than when the user authorized, so the"
                " Revocation endpoint is another client's. No token was sent there.",
                look_at="client_id",
                also=("token_endpoint",),
            ),
            Variant(
                label="the user has authorized again meanwhile",
                when=fact("cause", "authorized_again"),
                cause="The user authorized again before the earlier token was revoked. At many"
                " systems the end of the earlier one would end the new one, too.",
                fix="Nothing is to be done: the authorization that the user has now goes on.",
                user="You authorized again meanwhile, so your earlier permission was only"
                " forgotten here.",
                who=(END_USER,),
                look_at=None,
            ),
            Variant(
                label="it cannot be opened",
                when=fact("cause", "decrypt_failed", "key_missing"),
                cause="The tokens or the client secret do not open with the present VAULT_KEYS.",
                fix="Put the missing key back. The user can end the authorization in the other"
                " system's own settings.",
                who=(END_USER, ADMIN),
                look_at=None,
            ),
        ),
    ),
}
