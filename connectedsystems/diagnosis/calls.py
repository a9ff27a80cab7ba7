"""Failures of an integration's call: wrong inputs, and what the other system's API answered."""

from __future__ import annotations

from .entry import BY_FIELD, DESIGNER, END_USER, OWNER, TELL, Entry, Variant, fact, status_from

ENTRIES: dict[str, Entry] = {
    "input_invalid": Entry(
        title="Some values do not fit",
        status=400,
        seen="An input is missing or does not fit[: {name}][ ({reason})].",
        cause="What was entered is not what this integration asks for.",
        fix="Correct the values that are marked, and try again.",
        user="Something is missing or does not fit. Correct what is marked, and try again.",
        who=(END_USER,),
        look_at="inputs",
    ),
    "call_refused": Entry(
        title="The other system refused this",
        status=502,
        seen="The other system refused the call[, status {status}][: {method} {path}].",
        cause="It knows who is asking, and this person may not do that there.",
        fix="Ask the other system's owner to give this user the right. If nobody may, compare the"
        " Scope and the path with the documentation.",
        user="You may not do this in {system|the other system}."
        " Ask the people who look after it there.",
        who=(OWNER, DESIGNER),
        look_at="scope",
        variants=(
            Variant(
                label="there is no refresh token",
                when=fact("refreshable", False),
                cause="Either this person may not do that there, or the authorization has ended:"
                " the other system does not say which, and there is no refresh token to find out.",
                fix="Ask the other system's owner whether this user has the right."
                " If so, the user authorizes again.",
                user="Either you may not do this in {system|the other system}, or your permission"
                " has ended. Ask the people who look after it there; if you may, authorize again.",
                who=(OWNER, END_USER, DESIGNER),
                retry=True,
            ),
        ),
    ),
    "call_not_found": Entry(
        title="Not found in the other system",
        status=502,
        seen="The other system has nothing at this address[: {method} {path}][, status {status}].",
        cause="What was asked for does not exist there, or this person may not see it;"
        " or the integration's path or the Base URL is wrong.",
        fix="Try it with something that exists. If it stays, compare the path and the Base URL"
        " with the other system's documentation.",
        user="{system|The other system} did not find this. Check what you entered."
        " If it is right, ask the designer of this connection.",
        who=(END_USER, DESIGNER),
        look_at="path",
        also=("base_url",),
    ),
    "call_failed": Entry(
        title="The other system could not do this",
        status=502,
        seen="The call was answered with an error[, status {status}][: {method} {path}].",
        cause="The other system did not accept the request as it was sent.",
        fix="Compare the method, the parameters and the body with the other system's documentation,"
        " and try it on the integration's test panel.",
        user="{system|The other system} could not do this. Check what you entered."
        " If it is right, ask the designer of this connection.",
        who=(DESIGNER, OWNER),
        look_at="parameters",
        variants=(
            Variant(
                label="the status is 405",
                when=fact("status", 405),
                cause="The address exists and does not take this method.",
                fix="Compare the method and the path with the other system's documentation.",
                user=f"This was not set up correctly. {TELL}",
                who=(DESIGNER,),
                look_at="method",
            ),
            Variant(
                label="the status is 400, 415 or 422",
                when=fact("status", 400, 415, 422),
                cause="A value, the body or its type is not what the other system expects.",
                fix="Compare the inputs, the parameters and the body with the other system's"
                " documentation.",
                who=(END_USER, DESIGNER),
            ),
            Variant(
                label="the status is 500 or above",
                when=status_from(500, 599),
                cause="The other system has a fault of its own.",
                fix="Wait a little and try again. If it stays, ask the other system's owner.",
                user="{system|The other system} has a fault of its own."
                " Try again {soon|in a little while}.",
                who=(OWNER,),
                look_at="",
                retry=True,
            ),
            Variant(
                label="the answer is a redirect",
                when=status_from(300, 399),
                cause="The other system answered with a redirect that is not followed.",
                fix="Compare the path and the Base URL with the other system's documentation:"
                " often only a slash at the end is missing.",
                user=f"This was not set up correctly. {TELL}",
                who=(DESIGNER,),
                look_at="path",
                also=("base_url",),
            ),
        ),
    ),
    "success_rule_failed": Entry(
        title="The other system says that it did not work",
        status=502,
        seen="The call was answered[ with status {status}],"
        " and the integration's success rule is not met.",
        cause="The other system tells a failure inside its answer, or the rule does not fit"
        " the answer.",
        fix="Look at the answer on the integration's test panel, and compare it with the success"
        " rule.",
        user="{system|The other system} says that it did not work. Check what you entered."
        " If it is right, ask the designer of this connection.",
        who=(END_USER, DESIGNER),
        look_at="success",
    ),
    "result_rule_failed": Entry(
        title="The answer is not of the expected form",
        status=502,
        seen="The call was answered[ with status {status}], and the integration does not find"
        " in the answer what it is to give[: {reason}].",
        cause="The rule of the Result does not fit this answer.",
        fix="Look at the answer on the integration's test panel, and compare it with the rule.",
        user=f"{{system|The other system}} answered in a form that this page cannot read. {TELL}",
        who=(DESIGNER,),
        look_at="result",
        variants=(
            Variant(
                label="an expression takes too much work",
                when=fact("too_costly", True),
                title="Reading the answer takes too much work",
                seen="The call was answered[ with status {status}], and an expression was given up"
                " on this answer[: {reason}].",
                cause="The expression multiplies what it is given, or the answer is very large."
                " All expressions on the answers of one call have 2,000,000 steps together,"
                " 4,000,000 values and two seconds.",
                fix="Make the expression simpler: take what is needed by its path. If the answer is"
                " large, ask the other system for less at once.",
                look_at=BY_FIELD,
            ),
            Variant(
                label="it is a page of a list",
                when=fact("field", "pagination"),
                cause="What is set for the pages of the list does not fit this answer.",
                fix="Look at the answer on the integration's test panel, and compare it with"
                " items and next of the Pagination.",
                look_at="pagination",
            ),
        ),
    ),
    "rate_limited": Entry(
        title="The other system asks to wait",
        status=502,
        seen="The other system says that there have been too many calls[, status {status}]"
        "[; it asks to wait {wait}].",
        cause="It allows a certain number of calls in a certain time, and that is used up.",
        fix="Wait[ {wait}], then try again. If it happens often, call less often, or ask the other"
        " system's owner for more.",
        user="{system|The other system} has had too many requests from here."
        " Try again {soon|in a little while}.",
        who=(END_USER, OWNER),
        retry=True,
    ),
    "system_down": Entry(
        title="The other system does not answer",
        status=503,
        seen="{system|The other system} has not answered[ at {origin}][ since {since}]"
        "[ ({because})].[ Tried again at {tried}.]",
        cause="Several calls in a row could not be connected, timed out, or were answered with"
        " status 502, 503 or 504, for three users or for all who called. Since then nothing is"
        " sent there, except one call now and then that finds out; the first that is answered ends"
        " it.[ So far it was {callers} who called: others' calls are sent.]",
        fix="Wait[ {wait}], then try again. A test call on the desk is sent at once, and so is the"
        " next call after another base URL was saved. If it stays, ask the other system's owner.",
        user="{system|The other system} has not answered[ at {origin}][ since {since}]."
        " Nothing was sent."
        " Try again {soon|in a little while}.",
        who=(OWNER, DESIGNER),
        retry=True,
    ),
}
