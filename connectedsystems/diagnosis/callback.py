"""Failures on coming back: what arrived at the redirect URI."""

from __future__ import annotations

from .entry import (
    ADMIN,
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

ENTRIES: dict[str, Entry] = {
    "state_missing": Entry(
        title="The answer belongs to no attempt",
        status=400,
        seen="The redirect URI was opened without a state parameter.",
        cause="The address was opened by hand or cut short,"
        " or the other system did not give back the state that it was sent.",
        fix="Click Authorize again. If this happens every time, the other system has to return"
        " state unchanged (RFC 6749, section 4.1.2).",
        user="We could not tell what this answer belongs to, so nothing was stored."
        " Please start again.",
        who=(END_USER, OWNER),
        retry=True,
    ),
    "state_missing_session": Entry(
        title="You started somewhere else",
        status=400,
        seen="The answer came to a browser session that had not started this attempt.",
        cause="Nobody is logged in here, or the attempt was started in another browser, in a"
        " session that has ended, or at another address of this site.",
        fix="Log in and start again, in one browser and at this site's own address."
        " If it happens to everyone, an admin compares PUBLIC_BASE_URL with the address that"
        " people use.",
        user="You started at another address of this site, in another browser, or in a visit that"
        " has ended. Log in and start again from here.",
        who=(END_USER, ADMIN),
        retry=True,
    ),
    "state_unknown": Entry(
        title="Nothing you started",
        status=400,
        seen="No attempt of this user at this connected system has the state that came back.",
        cause="The address belongs to someone else's attempt or to another connected system,"
        " was changed on the way, or is so old that the attempt has been removed.",
        fix="Click Authorize again. If you did not start an authorization, close the page:"
        " nothing was stored.",
        user="This answer does not belong to anything you started here, so nothing was stored."
        " If you wanted to connect, start again. If not, close this page.",
        who=(END_USER,),
        retry=True,
    ),
    "state_used": Entry(
        title="This attempt was finished before",
        status=400,
        seen="An answer for this attempt had come already.",
        cause="The page was reloaded, the back button was used,"
        " or the other system sent the browser here twice, before the first answer had led to an"
        " authorization, or after it had failed. After a success the same browser is led on instead"
        " for ten minutes.",
        fix="Look at My connections: the first answer counts. If it shows no authorization,"
        " click Authorize again.",
        user="This was done once already. My connections shows whether it worked;"
        " if it did not, start again.",
        who=(END_USER,),
        retry=True,
    ),
    "authorization_not_saved": Entry(
        title="The permission could not be kept",
        status=503,
        seen="The other system approved, and our database did not take what it gave.",
        cause="The database refused it for five seconds. The code is spent, and the tokens are"
        " lost; what stood before still stands.",
        fix="An admin looks after the database. Then click Authorize again.",
        user="You approved, and this site could not keep it. Nothing was changed here."
        " Please start again in a minute.",
        who=(ADMIN, END_USER),
        retry=True,
    ),
    "opened_ahead": Entry(
        title="Not opened yet",
        status=503,
        seen="A browser fetched the redirect URI ahead of time, before anybody opened it.",
        cause="The request says so itself (Sec-Purpose: prefetch). An answer serves once, so such"
        " a request gets none, and nothing is used up by it.",
        fix="Nothing: the browser asks again when the page is really opened. If a person sees this,"
        " they reload the page.",
        user="Your browser fetched this page before you opened it, so nothing was done yet."
        " Reload the page.",
        who=(END_USER,),
        retry=True,
    ),
    "state_expired": Entry(
        title="It took too long",
        status=400,
        seen="The answer came after the attempt had ended.",
        cause="An attempt is good for ten minutes.",
        fix="Click Authorize again, and approve within ten minutes.",
        user="More than ten minutes have passed since you started, so we stopped waiting."
        " Please start again.",
        who=(END_USER,),
        retry=True,
    ),
    "state_user_mismatch": Entry(
        title="Somebody else is logged in now",
        status=403,
        seen="The attempt was started in this browser, by another user than the one logged in now.",
        cause="Someone logged out and in again as another user before the answer came.",
        fix="Log in as the user who is to be connected, and click Authorize again.",
        user="You are logged in as somebody else than when you started, so nothing was stored."
        " Log in as the person who is to be connected, and start again.",
        who=(END_USER,),
        retry=True,
    ),
    "issuer_mismatch": Entry(
        title="The answer came from somebody else",
        status=400,
        seen="The answer does not come from the issuer that is set here"
        "[; expected: {expected}][; received: {received}].",
        cause="The Issuer is written differently here and there,"
        " or another server answered in the place of the one the user was sent to."
        " So the code was not used.",
        fix="Compare the Issuer with the value of issuer in the other system's metadata, character"
        " for character, a slash at the end included. If they are equal, ask its owner.",
        user="The answer came from somewhere else than expected[, from {received}]"
        f"[, and not from {{expected}}], so nothing was stored. {TELL}",
        who=(DESIGNER, OWNER),
        look_at="issuer",
        variants=(
            Variant(
                label="an issuer is required and the answer names none",
                when=lambda facts: bool(facts.get("expected")) and not facts.get("received"),
                seen="The answer does not say which issuer it comes from[; expected: {expected}].",
                cause="This connected system is set to demand an issuer in every answer"
                " (RFC 9207), and the other system sends none,"
                " or another server answered in its place.",
                fix="If the other system's metadata does not promise"
                " authorization_response_iss_parameter_supported, make the issuer in the answer"
                " optional. If it does, ask its owner.",
            ),
        ),
    ),
    "bad_callback": Entry(
        title="The answer was damaged",
        status=400,
        seen="What came to the redirect URI cannot be read[: {reason}][ (parameter {name})].",
        cause="A parameter was given twice, is too long, or holds characters that do not belong"
        " there.",
        fix="Click Authorize again. If this happens every time, ask the other system's owner:"
        " each parameter may come once (RFC 6749, section 3.1).",
        user="The answer that came back was damaged, so it was not used. Please start again.",
        who=(END_USER, OWNER),
        retry=True,
        variants=(
            Variant(
                label="a parameter was given twice",
                when=lambda facts: "twice" in str(facts.get("reason")),
                cause="The other system, or something between, repeated a parameter."
                " Which of the two counts cannot be told, so neither does.",
                user="A part of the answer was given twice, so it was not used."
                " Please start again.",
            ),
        ),
    ),
    "code_missing": Entry(
        title="The answer holds nothing to go on with",
        status=400,
        seen="The answer holds neither a code nor an error.",
        cause="The other system used another grant than Authorization Code, gives its code under"
        " another name, or the address was opened by hand."
        " A token in the address is never read.",
        fix="In the other system, choose the Authorization Code grant for this client. If its"
        " documentation has another name for the code, enter it as Code parameter."
        " Then click Authorize again.",
        user="The other system sent you back without what we need. Please start again."
        " If it happens again, ask the designer of this connection.",
        who=(DESIGNER, OWNER),
        look_at="code_parameter",
        retry=True,
    ),
    "access_denied": Entry(
        title="Not authorized",
        status=400,
        seen="The other system came back and said that access was denied.",
        cause="The user refused; or the user's organization must approve this first;"
        " or a name in the Scope is unknown there, which some systems answer in the same words.",
        fix="Try again and approve. If an administrator over there has to approve, ask them."
        " If nobody refused, compare the Scope with the other system's documentation,"
        " name by name.",
        user="The other system gave no access. You refused, or your organization must approve this"
        " first, or we asked for a permission that it does not know. Try again and approve;"
        " if that does not help, ask the designer of this connection.",
        who=(END_USER, OWNER, DESIGNER),
        look_at="scope",
        retry=True,
    ),
    "scope_refused": Entry(
        title="A permission was refused",
        status=400,
        seen="The other system refused the Scope that was asked for.",
        cause="At least one name in the Scope is unknown there, is not allowed for this Client ID,"
        " or is set apart in another way than there, mostly by commas in place of blanks.",
        fix="Compare the Scope with the other system's documentation, name by name,"
        " and allow each of them for this client there. Then click Authorize again.",
        user=f"We asked for a permission that the other system does not give. {TELL}",
        who=(DESIGNER, OWNER),
        look_at="scope",
        variants=(
            Variant(
                label="a token request was refused",
                when=status_from(200, 599),
                status=502,
            ),
        ),
    ),
    "provider_error": Entry(
        title="The other system came back with an error",
        status=400,
        seen="The other system came back with an error in place of a code[: {error}].",
        cause="It says so itself; more is not known here.",
        fix="Look the error up in the other system's documentation, and compare the settings of"
        " this client there with those shown here. Then click Authorize again.",
        user="The other system could not do what you asked for. Please start again."
        " If it happens again, ask the designer of this connection.",
        who=(DESIGNER, OWNER),
        look_at="authorization_parameters",
        retry=True,
        variants=(
            Variant(
                label="the error is temporarily_unavailable or server_error",
                when=fact("error", "temporarily_unavailable", "server_error"),
                cause="The other system is in trouble of its own, or busy.",
                fix="Wait a little, then click Authorize again. If it stays, ask its owner.",
                user="The other system is in trouble at the moment."
                " Please wait a little and start again.",
                who=(OWNER,),
            ),
            Variant(
                label="the error is unauthorized_client or unsupported_response_type",
                when=fact("error", "unauthorized_client", "unsupported_response_type"),
                cause="This Client ID may not use the Authorization Code grant there.",
                fix="In the other system, allow the Authorization Code grant for this client,"
                " or enter the Client ID of one that may use it.",
                user=f"This connection is not set up correctly. {TELL}",
                who=(DESIGNER,),
                look_at="client_id",
                retry=False,
            ),
            Variant(
                label="its words are about the code challenge",
                when=mentions("code_challenge", "code challenge", "pkce"),
                cause="The other system does not take the code challenge (PKCE) as it was sent,"
                " or demands one and got none.",
                fix="Compare PKCE here with the settings of this client there.",
                user=f"This connection is not set up correctly. {TELL}",
                who=(DESIGNER,),
                look_at="pkce",
                retry=False,
            ),
            Variant(
                label="its words are about the redirect URI",
                when=mentions("redirect_uri", "redirect uri", "redirect url", "callback url"),
                cause="The redirect URI is not registered there as it is shown here.",
                fix="Copy the redirect URI (callback URL) shown here into the other system,"
                " character for character.",
                user=f"This connection is not set up correctly. {TELL}",
                who=(DESIGNER,),
                look_at="redirect_uri",
                retry=False,
            ),
        ),
    ),
}
