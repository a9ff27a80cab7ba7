"""Failures of this site: its limits, its rules, its keys, its faults."""

from __future__ import annotations

from .entry import ADMIN, DESIGNER, DEVELOPER, END_USER, Entry, Variant, fact

ENTRIES: dict[str, Entry] = {
    "too_many_requests": Entry(
        title="Too many requests",
        status=429,
        seen="This user has asked this site for more than its limit allows[ ({limit})].",
        cause="A page was reloaded many times, or a script calls too often.",
        fix="Wait[ {wait}], then try again. An admin may set the limits in RATE_LIMITS.",
        user="That was a lot at once. Try again {soon|in a minute}."
        " Nobody else is held up by this.",
        who=(END_USER, ADMIN),
        retry=True,
    ),
    "not_allowed": Entry(
        title="Not for you",
        status=403,
        seen="This user may not use or see this.",
        cause="The user is no member of the application, has no designer's rights for it,"
        " or is deactivated.",
        fix="An admin adds the user to one of the application's groups.",
        user="You may not use this here. If you should, ask an administrator of this site.",
        who=(ADMIN,),
        variants=(
            Variant(
                label="that it exists is not told",
                when=fact("hidden", True),
                status=404,
                title="Not found",
                user="There is nothing here that you can use."
                " If there should be, ask an administrator of this site.",
            ),
        ),
    ),
    "bad_request": Entry(
        title="This page cannot be opened like that",
        status=400,
        seen="What the browser sent cannot be read: its host, its address, a cookie or a form.",
        cause="A link that was cut or changed on its way, a page left open across an update,"
        " or a program that is no browser.",
        fix="Open the page again from the start page. If it is the host that was refused,"
        " an admin looks at PUBLIC_BASE_URL and ALLOWED_HOSTS.",
        user="Something in its address or in what was sent is not as it should be."
        " Open the page again from the start.",
        who=(END_USER, ADMIN),
    ),
    "request_too_large": Entry(
        title="That is too large",
        status=413,
        seen="A request was larger than this site takes here[: more than {limit}]."
        " It was not read.",
        cause="A file or a text is too large; or nobody is logged in under the session that was"
        " sent, and such a request may hold little.",
        fix="Send less, or log in and send it again. A request may hold 64 KB without a log-in,"
        " 5 MB with one, and 12 MB where files are sent or imported.",
        user="What you sent is larger than this site takes here[: more than {limit}]."
        " Nothing of it was read or kept. Send less; if you were logged out"
        " meanwhile, log in and send it again.",
        who=(END_USER,),
    ),
    "log_in": Entry(
        title="Log in first",
        status=401,
        seen="Nobody is logged in under the session that was sent, or none was sent.",
        cause="The person never logged in, logged out, or was away too long.",
        fix="Log in at /accounts/login/, then send the same again with that session's cookie.",
        user="You are not logged in here, or no longer. Log in, then try again.",
        who=(END_USER,),
    ),
    "form_expired": Entry(
        title="This form can no longer be sent",
        status=403,
        seen="A form came without the proof that this person opened it here.",
        cause="It was open too long, the person logged in again meanwhile, cookies are switched"
        " off, or the form stands on another site.",
        fix="Go back, reload the page and send it again. If it stays, an admin looks at"
        " PUBLIC_BASE_URL: it has to be the address that people see.",
        user="It was open too long, you logged in again meanwhile, or it came from another site."
        " Nothing was done. Go back, reload the page and send it again.",
        who=(END_USER, ADMIN),
        retry=True,
    ),
    "saved_meanwhile": Entry(
        title="Somebody else saved this meanwhile",
        status=409,
        seen="{who|Somebody} saved this[ at {at}], after you had opened it. Nothing of yours is"
        " saved yet, and nothing that you typed is lost.",
        cause="Two people worked on the same settings at the same time.",
        fix="Compare what is stored now with what you typed. Change what you typed where the other"
        " is right, then save again: that is written over what is stored now.",
        user="Somebody else saved this while you were at it. Compare both, then save again.",
        who=(DESIGNER,),
        retry=True,
    ),
    "not_found": Entry(
        title="There is nothing here",
        status=404,
        seen="This address leads to nothing that this person may see.",
        cause="It is mistyped, what was there is gone, or it belongs to an application that the"
        " person is no member of.",
        fix="Begin at the start page. If there should be something, an admin adds the user to one"
        " of the application's groups.",
        user="The address may be mistyped, or what was here is gone, or is not shared with you.",
        who=(END_USER, ADMIN),
    ),
    "busy": Entry(
        title="Too many people are waiting for the other system",
        status=503,
        seen="Nothing was sent: as many requests as may wait for this connected system at a time"
        " are waiting already.",
        cause="The other system answers slowly or not at all, and this site keeps itself free for"
        " everything else.",
        fix="Try again[ in {wait}]. If it stays, ask the other system's owner.",
        user="{system|The other system} is slow at the moment, and many are waiting for it."
        " Nothing was sent. Try again {soon|in a little while}.",
        who=(END_USER, ADMIN),
        retry=True,
    ),
    "decrypt_failed": Entry(
        title="A stored permission cannot be opened",
        status=200,
        kind="ask",
        seen="This user's stored authorization cannot be decrypted with the current keys.",
        cause="The stored text was changed or moved, or it was sealed under a key that an admin has"
        " declared lost[: {lost}]. Nothing was deleted.",
        fix="The user authorizes again. A lost key that is found goes back to the end of"
        " VAULT_KEYS, and what was sealed under it opens at once.",
        user="Your stored permission cannot be opened. Please authorize again.",
        who=(END_USER, ADMIN),
        variants=(
            Variant(
                label="what does not open is not a user's authorization",
                when=lambda facts: facts.get("subject", "authorization") != "authorization",
                title="A stored secret cannot be opened",
                status=503,
                kind="error",
                seen="A stored secret cannot be decrypted with the current keys[: {subject}].",
                fix="A designer enters the secret again; what somebody typed and is held cannot be"
                " sent any more. A lost key that is found goes back to the end of VAULT_KEYS.",
                user="Something stored here cannot be opened."
                " Tell an administrator of this site, and quote the reference.",
                who=(ADMIN, DESIGNER),
            ),
        ),
    ),
    "key_missing": Entry(
        title="A key of this site is missing",
        status=503,
        seen="Something stored was sealed under a key that is not in the ring[: {name}].",
        cause="This process runs with another VAULT_KEYS than the one that sealed it, as in the"
        " middle of a rotation; the key was taken out before everything had been sealed anew; or"
        " the database comes from elsewhere. Nothing was deleted.",
        fix="An admin puts the key back at the end of VAULT_KEYS, on every machine, restarts all"
        " processes, runs rotate_vault_keys, and takes the old key out after that. Only where the"
        " key is lost for ever: rotate_vault_keys --lost {name|ID}, and its users authorize anew.",
        user="Something stored here cannot be opened at the moment. Authorizing again is not"
        " needed. Tell an administrator of this site, and quote the reference.",
        who=(ADMIN,),
        variants=(
            Variant(
                label="a secret of the connected system is damaged",
                when=fact("damaged", True),
                title="A stored secret is damaged",
                seen="A stored secret of the connected system cannot be opened: its text was"
                " changed or moved.",
                cause="The row was changed outside of this product, or restored in part.",
                fix="A designer enters the secrets of the connected system again.",
                who=(DESIGNER, ADMIN),
            ),
        ),
    ),
    "in_transaction": Entry(
        title="This page has a fault of its own",
        status=503,
        seen="call_integration was called inside a database transaction, and nothing was sent.",
        cause="If that transaction were rolled back, a renewed token would be lost for ever.",
        fix="Call it before the block, or from transaction.on_commit.",
        user="This page has a fault of its own. Nothing was sent."
        " Tell an administrator of this site, and quote the reference.",
        who=(DEVELOPER,),
    ),
    "database_unavailable": Entry(
        title="This site's database does not answer",
        status=503,
        seen="The database refused a statement, or the connection to it was lost.",
        cause="It restarts, fails over, is locked or full, or cannot be reached. A token that had"
        " just come was tried to be saved for five seconds.",
        fix="An admin looks after the database; the log has its words under the reference.",
        user="This site cannot reach its own records at the moment. Please try again in a minute.",
        who=(ADMIN,),
        retry=True,
    ),
    "internal_error": Entry(
        title="Something went wrong on this site",
        status=503,
        seen="This site failed in a way that was not foreseen.",
        cause="A fault of this site, not of the other system, and not of the person at the page.",
        fix="An admin finds the cause in the log, under the reference.",
        user="Something went wrong on our side. Please try again. If it happens again,"
        " tell an administrator of this site, and quote the reference.",
        who=(ADMIN,),
        retry=True,
    ),
}
