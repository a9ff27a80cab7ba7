"""Failures of this site: its limits, its rules, its keys, its faults."""

from __future__ import annotations

from .entry import ADMIN, BY_FIELD, DESIGNER, DEVELOPER, END_USER, TELL, Entry, Variant, fact

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
        cause="The stored text was changed or moved, or it was sealed under a key that is not in"
        " VAULT_KEYS, as after a restore from elsewhere. Nothing was deleted.",
        fix="An admin puts the missing key back into VAULT_KEYS."
        " Where it is lost, the user authorizes again.",
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
                fix="An admin puts the missing key back into VAULT_KEYS."
                " Where it is lost, a designer enters the secret again.",
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
        cause="The key was taken out of VAULT_KEYS before everything had been sealed anew,"
        " or the database comes from elsewhere. Nothing was deleted.",
        fix="An admin puts the key back into VAULT_KEYS, runs rotate_vault_keys,"
        " and takes the old key out after that.",
        user="Something stored here cannot be opened at the moment."
        " Tell an administrator of this site, and quote the reference.",
        who=(ADMIN,),
    ),
    "secret_not_for_host": Entry(
        title="A secret was entered for another address",
        status=503,
        seen="A stored secret was entered for {entered|other hosts than today's}, and would now be"
        " sent to {now|another host}. It was not sent.",
        cause="An address of the connected system, or a value that stands in one, was changed"
        " without entering the secret again; or its metadata leads to another host by now.",
        fix="If that host is the other system's, enter the secret again beside the new address."
        " If it is not, change the address back.",
        user=f"Something of this connection was changed and has to be confirmed. {TELL}",
        who=(DESIGNER,),
        look_at=BY_FIELD,
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
