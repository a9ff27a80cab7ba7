"""Failures before the other system has answered: settings, the pop-up, nobody coming back."""

from __future__ import annotations

from .entry import BY_FIELD, BY_REQUEST, DESIGNER, END_USER, OWNER, TELL, Entry, Variant

ENTRIES: dict[str, Entry] = {
    "configuration_invalid": Entry(
        title="Some settings cannot be used",
        status=400,
        seen="The settings were checked and nothing was saved[: {reason}].",
        cause="At least one field holds something that cannot work.",
        fix="Correct the fields that are marked, and save again.",
        user=f"This connection is not set up correctly yet. {TELL}",
        who=(DESIGNER,),
        look_at=BY_FIELD,
    ),
    "discovery_failed": Entry(
        title="No metadata was found",
        status=502,
        seen="The other system's metadata was looked for[ at {host}][{path}][ (status {status})],"
        " and cannot be used[: {reason}].",
        cause="Not every system publishes its endpoints; or the Issuer or the Discovery URL is"
        " another one.",
        fix="Compare the Issuer and the Discovery URL with the other system's documentation; or"
        " leave the Discovery URL empty, and enter the Authorization Endpoint and the Token Request"
        " Endpoint by hand.",
        user=f"This connection is not set up correctly yet. {TELL}",
        who=(DESIGNER, OWNER),
        look_at=BY_REQUEST,
        retry=True,
    ),
    "discovery_mismatch": Entry(
        title="The metadata belongs to somebody else",
        status=502,
        seen="The metadata[ at {host}][{path}] names the issuer {received|of somebody else}"
        "[, not {expected}].",
        cause="The two must be equal, character for character, a slash at the end included"
        " (RFC 8414, section 3.3): else anybody's endpoints could be passed off as theirs.",
        fix="If the issuer that is named belongs to the other system, enter it as Issuer, and its"
        " own metadata address as Discovery URL. If not, the address belongs to somebody else.",
        user=f"This connection is not set up correctly yet. {TELL}",
        who=(DESIGNER, OWNER),
        look_at="issuer",
        variants=(
            Variant(
                label="the metadata has changed since the last save",
                when=lambda facts: "changed" in facts,
                title="The metadata has changed",
                seen="The metadata[ at {host}][{path}] has changed since the last save"
                "[: {changed}].",
                cause="The other system has moved, or somebody else answers in its place.",
                fix="Ask its owner, or read its documentation. If the change is right, save the"
                " system on the desk, where who is affected is shown first; or write the endpoints"
                " into the bundle file.",
                look_at="discovery_url",
            ),
        ),
    ),
    "popup_blocked": Entry(
        title="The window was blocked",
        status=200,
        kind="warning",
        seen="The browser did not open the window for the other system.",
        cause="A pop-up blocker stopped it.",
        fix="Allow pop-ups for this site, or click the link again:"
        " it then opens in this window and comes back here.",
        user="Your browser blocked the window. Allow pop-ups for this site, or click the link"
        " again: it then opens in this window and brings you back.",
        who=(END_USER,),
        retry=True,
    ),
    "attempt_not_finished": Entry(
        title="Nobody has come back from the other system yet",
        status=200,
        seen="The authorization page was opened[ at {host}],"
        " and no answer has come to the redirect URI.",
        cause="Most likely, in this order: the window was closed before anyone approved;"
        " the redirect URI or the Client ID is not registered there, so that the other system"
        " shows an error page of its own and never sends anybody back;"
        " the browser blocked the pop-up.",
        fix="Look at the other system's window. If it asks, approve. If it shows an error, compare"
        " the redirect URI (also called callback URL) and the Client ID there with those shown"
        " here, character for character. If there is no authorization page at all, check the"
        " Authorization Endpoint and the Scope. Then click Authorize again.",
        user="You have not come back from the other system yet. If its window is still open, finish"
        " there. If you closed it, or none opened, start again. If it shows an error,"
        " ask the designer of this connection.",
        who=(END_USER, DESIGNER, OWNER),
        look_at="redirect_uri",
        also=("client_id", "authorization_endpoint", "scope"),
        retry=True,
    ),
}
