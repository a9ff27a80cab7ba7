"""Failures on the way: addresses, redirects, TLS, connections, time and size."""

from __future__ import annotations

from .entry import ADMIN, BY_REQUEST, DESIGNER, OWNER, TELL, Entry, Variant, fact

_NOT_REACHED = "The other system could not be reached."

ENTRIES: dict[str, Entry] = {
    "address_refused": Entry(
        title="This address is not allowed",
        status=502,
        seen="Nothing was sent[ to {host}], for the address is not allowed[: {reason}].",
        cause="Only public https addresses may be called: not private or local ones,"
        " not plain http, and no address with a user name or password in it.",
        fix="Enter the other system's public https address. If this host may be trusted, an admin"
        " names it in OUTBOUND_ALLOW.",
        user=f"This connection leads to an address that is not allowed. {TELL}",
        who=(DESIGNER, ADMIN),
        look_at=BY_REQUEST,
    ),
    "redirect_refused": Entry(
        title="The other system points elsewhere",
        status=502,
        seen="The request[ to {host}] was answered with a redirect"
        "[ (status {status})][ to {target_host}], which was not followed.",
        cause="A redirect to another address would carry secrets or data there. The address"
        " entered here is most likely an old one, or plain http where https is wanted.",
        fix="If {target_host|the new address} belongs to the other system, enter that"
        " address itself.",
        user="The other system points to another address[, {target_host}],"
        f" where your data is not sent unasked. {TELL}",
        who=(DESIGNER, OWNER),
        look_at=BY_REQUEST,
    ),
    "tls_error": Entry(
        title="No secure connection",
        status=502,
        seen="No secure connection could be made[ to {host}][: {reason}].",
        cause="The other system's certificate has expired, is for another name, or comes from an"
        " authority that is not trusted here; or that port does not speak TLS.",
        fix="Check the host and the port in the address. If they are right, the other system's"
        " owner must mend the certificate; there is no switch to do without it.",
        user=f"No secure connection to the other system could be made[: {{reason}}]. {TELL}",
        who=(OWNER, DESIGNER),
        look_at=BY_REQUEST,
    ),
    "connection_failed": Entry(
        title="The other system cannot be reached",
        status=502,
        seen="The connection[ to {host}] failed[: {reason}].",
        cause="The name does not exist, nothing listens there, or the connection broke.",
        fix="Check the host in the address. If it is right, the other system is down,"
        " or the network between does not let us through.",
        user=f"{_NOT_REACHED} Please try again in a little while."
        " If it stays, ask the designer of this connection.",
        who=(OWNER, DESIGNER, ADMIN),
        look_at=BY_REQUEST,
        retry=True,
    ),
    "timeout": Entry(
        title="The other system took too long",
        status=504,
        seen="No whole answer came[ from {host}] within the time allowed"
        "[ ({limit} seconds)][: {reason}].",
        cause="The other system is slow or hangs, or this request needs longer than it may take.",
        fix="Try again. If it stays, ask the other system's owner, or allow the integration more"
        " time.",
        user="The other system took too long to answer. Please try again in a little while.",
        who=(OWNER, DESIGNER),
        look_at="timeout",
        retry=True,
        variants=(
            Variant(
                label="while the code was exchanged",
                when=fact("stage", "callback", "exchange"),
                cause="The token endpoint is slow or hangs. A code is sent once only.",
                fix="Authorize again. If it stays, check the Token Request Endpoint, then ask the"
                " other system's owner.",
                user="The other system took too long to answer. Please start again.",
                look_at="token_endpoint",
            ),
        ),
    ),
    "too_large": Entry(
        title="The answer is too large",
        status=502,
        seen="The answer[ of {host}] is larger than is accepted[ ({limit} bytes)],"
        " so the rest was not read.",
        cause="The other system sends more than this request should bring.",
        fix="Ask for less at a time, by a limit or a filter among the parameters. If this was a"
        " token request, check the Token Request Endpoint.",
        user="The other system's answer is too large. If you can, ask for less at a time;"
        " if not, ask the designer of this connection.",
        who=(DESIGNER, OWNER),
        look_at="parameters",
        variants=(
            Variant(
                label="in a token request",
                when=fact("stage", "callback", "exchange", "refresh", "client_credentials"),
                cause="What answers at the Token Request Endpoint is no token endpoint.",
                fix="Copy the Token Request Endpoint from the other system's documentation again,"
                " to the last character.",
                user=f"The other system gave an answer that cannot be used. {TELL}",
                look_at="token_endpoint",
            ),
        ),
    ),
    "bad_response": Entry(
        title="The answer was damaged",
        status=502,
        seen="What came back[ from {host}] is no proper HTTP answer[: {reason}].",
        cause="The answer was cut off, breaks the rules of HTTP, or something between changed it.",
        fix="Try again. If it stays, check the address and its port, then ask the other system's"
        " owner.",
        user="The other system's answer was damaged. Please try again in a little while."
        " If it stays, ask the designer of this connection.",
        who=(OWNER, DESIGNER),
        look_at=BY_REQUEST,
        retry=True,
    ),
}
