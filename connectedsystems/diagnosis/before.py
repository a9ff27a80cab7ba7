"""Failures before the other system has answered: settings, the pop-up, nobody coming back."""

from __future__ import annotations

from .entry import BY_FIELD, DESIGNER, END_USER, OWNER, TELL, Entry

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
        retry=True,
    ),
}
