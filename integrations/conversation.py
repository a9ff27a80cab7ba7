"""One call on its way: the user's token, the request, what a refusal means, and the repeats."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from django.views.decorators.debug import sensitive_variables

from authlinks import tokens
from authlinks.models import place_of
from authlinks.rows import read_row
from authlinks.tokens import Party, Token
from connectedsystems import configuration, outbound, share
from connectedsystems.configuration import Configuration
from connectedsystems.errors import (
    CallFailure,
    Failure,
    OutboundFailure,
    TokenUnavailable,
    VaultFailure,
)
from connectedsystems.expressions import Budget, NotFound, TooCostly, find, for_call
from connectedsystems.kept import Kept
from connectedsystems.models import (
    Authentication,
    data_of_version,
    open_secrets,
    redirect_uri_of,
    secrets_for,
)
from connectedsystems.oauth.captures import values_of
from connectedsystems.oauth.client import Client
from connectedsystems.outbound import Reply
from integrations import answers, circuit, paging, request
from integrations import inputs as typed
from integrations.definition import Definition, read
from integrations.lookup import Target
from integrations.models import Integration
from integrations.response import result_of, shown_of
from integrations.trace import Trace

MOST_BYTES = 10_000_000
MENDED_BY_USER = frozenset(
    {"needs_authorization", "insufficient_scope", "configuration_changed", "decrypt_failed"}
)
MOST_REPEATS = 2
REPEAT_PAUSE = (0.1, 0.4)
LONGEST_RETRY_AFTER = 2

_definitions: Kept[Definition] = Kept(most=10_000)


def user_can_mend(failure: Failure) -> bool:
    """Whether authorizing again helps; it brings no secret of the system's own back."""
    of_user = failure.facts.get("subject", "authorization") == "authorization"
    return failure.code in MENDED_BY_USER and of_user


class Answered(CallFailure):
    """A failure that came with a reply of the other system."""

    def __init__(self, code: str, reply: Reply, **facts: Any) -> None:
        super().__init__(code, **facts)
        self.reply = reply


def definition_of(integration_id: Any, version: int) -> Definition:
    """An integration's parsed definition, kept per process by version."""

    def load() -> dict[str, Any]:
        return Integration.objects.get(pk=integration_id).as_data()

    return _definitions.get((integration_id, version), lambda: read(load()))


def configuration_of(system_id: Any, version: int) -> Configuration:
    """A system's parsed configuration, kept per process by version."""
    return configuration.parsed(system_id, version, lambda: data_of_version(system_id, version))


@dataclass(slots=True)
class Call:
    """One call on its way: what is said, as whom, until when.

    ``draft`` is said instead of what is stored, and kept nowhere; ``trace`` keeps what was sent.
    """

    target: Target
    user: Any
    idempotency_key: str = ""
    draft: Definition | None = None
    trace: Trace | None = None
    deadline: float = 0.0
    definition: Definition = field(init=False)
    system: Configuration = field(init=False)
    secrets: dict[str, Any] = field(init=False, repr=False, default_factory=dict)
    sent_secrets: list[str] = field(init=False, repr=False, default_factory=list)
    origin: str = field(init=False, default="")
    pages: paging.Pages | None = field(init=False, repr=False, default=None)
    is_shaped: bool = field(init=False, default=False)
    budget: Budget = field(init=False, repr=False, default_factory=for_call)
    """What this call's expressions may cost, on all its replies together."""

    def prepare(self) -> None:
        """Read what is to be said. Raises CallFailure ``not_allowed`` and VaultFailure."""
        target = self.target
        if not target.allowed:
            raise CallFailure("not_allowed", hidden=True)
        self.definition = self.draft or definition_of(
            target.integration_id, target.integration_version
        )
        self.system = configuration_of(target.system_id, target.system_version)
        self.deadline = outbound.deadline_in(self.definition.timeout)
        if target.secrets is not None and self._needs_secrets:
            self.secrets = secrets_for(self.system, target.system_id, target.secrets)

    def read(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The inputs' values. Raises InputInvalid, and TypeError for what is no input."""
        if unknown := typed.unknown(self.definition.inputs, given):
            raise TypeError(f"{self.target.slug} has no input called {', '.join(unknown)}.")
        return typed.read(self.definition.inputs, given)

    @property
    def user_can_authorize(self) -> bool:
        """Whether a missing authorization is this user's to give."""
        return self.target.authentication == Authentication.AUTHORIZATION_CODE

    @property
    def _needs_secrets(self) -> bool:
        """OAuth clients open theirs only when a token request is due."""
        kinds = (Authentication.API_KEY, Authentication.BASIC)
        return self.target.authentication in kinds or bool(self.system.secret_variables)

    def run(self, values: Mapping[str, Any]) -> Reply:
        """Send the request, unless the system is left alone. Raises Failure."""
        target = self.target
        if target.circuit_id is not None and self.user_can_authorize:
            # A missing permission is this user's to give, also where the system is left alone.
            tokens.check_standing(self._party(self.user.pk), target.row)
        passage = circuit.admit(
            target.circuit_id, self.user.pk, outbound.time_limit(self.definition.timeout)
        )
        came: Reply | Failure | None = None
        try:
            came = self._pages(values) if self.definition.pagination else self._talk(values)
        except Failure as failure:
            came = failure
            raise
        finally:
            self._heed(passage, came)
        return self._shaped(came) if self.definition.result else came

    def failure_in(self, reply: Reply) -> CallFailure | None:
        """What the reply says of a failure; one that was made of others has been asked before."""
        if self.is_shaped:
            return None
        definition = self.definition
        if definition.success or definition.error_message:
            reply = self._shown(reply)
        return answers.failure_in(reply, definition.success, definition.error_message, self.budget)

    @property
    def secrets_of_ours(self) -> list[str]:
        """What was sent, or could have been, and may not come back in what is shown."""
        return [*self.sent_secrets, *configuration.secret_texts(self.secrets)]

    def _shown(self, reply: Reply) -> Reply:
        return shown_of(reply, self.secrets_of_ours)

    def _pages(self, values: Mapping[str, Any]) -> Reply:
        """All pages of a list as one reply; one that fails is the failure of the call."""
        pages = self.pages = paging.Pages(self.definition.pagination, self.budget)
        while True:
            try:
                reply = self._talk(values)
                failure = self.failure_in(reply)
                if failure is None and not pages.next_after(reply, self._shown(reply)):
                    break
            except Failure as caught:
                caught.facts["page"] = pages.number
                raise
            if failure is not None:
                failure.facts["page"] = pages.number
                raise Answered(failure.code, reply, **failure.facts)
        self.is_shaped = True
        return pages.joined(reply)

    def _shaped(self, reply: Reply) -> Reply:
        """The reply with what ``result`` finds in it as its data. Raises Answered."""
        if self.failure_in(reply) is not None:
            return reply
        data = result_of(reply, self.secrets_of_ours).data
        try:
            if data is None and reply.body.strip() not in (b"", b"null"):
                raise NotFound("the answer is no JSON")
            shaped = paging.with_data(reply, find(self.definition.result, data, self.budget))
        except NotFound as reason:
            facts = {"status": reply.status, "field": "result", "reason": str(reason)}
            raise Answered("result_rule_failed", reply, **facts) from None
        except TooCostly as reason:
            failure = answers.too_costly(reply, "result", reason)
            raise Answered(failure.code, reply, **failure.facts) from None
        self.is_shaped = True
        return shaped

    def _heed(self, passage: circuit.Passage, came: Reply | Failure | None) -> None:
        """A designer's test may end the circuit's pause, and never begins one."""
        target = self.target
        origin = "" if self.system.has_one_origin else self.origin
        if self.draft is None:
            caller = circuit.Caller(
                target.system_id, target.system_version, origin, str(self.user.pk)
            )
            circuit.heed(caller, passage, came)
            if origin and target.row is not None and circuit.tells_of_silence(came):
                tokens.note_api_origin(target.row, origin)
        elif circuit.answers(came):
            circuit.close(target.system_id, origin)

    def _talk(self, values: Mapping[str, Any]) -> Reply:
        """Send the request, renewing a rejected token once. Raises Failure."""
        if self.user_can_authorize:
            return self._as_user(values)
        if self.target.authentication == Authentication.CLIENT_CREDENTIALS:
            return self._as_itself(values)
        return self._send(values, None)

    def _as_user(self, values: Mapping[str, Any]) -> Reply:
        party = self._party(self.user.pk)
        token = tokens.usable_token(party, self.target.row, deadline=self.deadline)
        reply = self._send(values, token)
        for _ in range(2):
            if not self._not_accepted(reply):
                break
            # A rejected token means that nothing was executed, so a write is repeated too. The
            # second round is for a token that somebody else's renewal ended on its way there.
            token = self._token_after_rejection(party, token, reply)
            reply = self._send(values, token)
        if self._not_accepted(reply):
            tokens.end(token.row.id, token.version, "token_rejected")
            raise Answered("needs_authorization", reply, cause="token_rejected")
        if answers.plain_refusal(reply):
            return self._after_refusal(party, token, reply, values)
        tokens.touch(token.row)
        return reply

    def _token_after_rejection(self, party: Party, token: Token, reply: Reply) -> Token:
        """The next token to try; one that was issued in this very call is not renewed again."""
        if token.fresh and tokens.end(token.row.id, token.version, "token_rejected"):
            raise Answered("needs_authorization", reply, cause="token_rejected")
        return self._renewed(party, token)

    def _renewed(self, party: Party, token: Token) -> Token:
        row = read_row(party.system_id, party.user_id)
        return tokens.usable_token(party, row, deadline=self.deadline, rejected=token.version)

    def _after_refusal(
        self, party: Party, token: Token, reply: Reply, values: Mapping[str, Any]
    ) -> Reply:
        """A plain 403: at some systems a dead token, at others a refusal; one renewal tells.

        Once per token: what was found out is remembered with it.
        """
        if not token.row.has_refresh_token:
            raise Answered("call_refused", reply, **self._refusal(reply), refreshable=False)
        if token.fresh or token.row.refusal_tried_version == token.version:
            tokens.remember_refusal(token.row.id, token.version)
            raise Answered("call_refused", reply, **self._refusal(reply))
        try:
            token = self._renewed(party, token)
        except TokenUnavailable as failure:
            if user_can_mend(failure):
                raise
            raise Answered("call_refused", reply, **self._refusal(reply)) from None
        reply = self._send(values, token)
        if self._not_accepted(reply):
            tokens.end(token.row.id, token.version, "token_rejected")
            raise Answered("needs_authorization", reply, cause="token_rejected")
        if answers.plain_refusal(reply):
            tokens.remember_refusal(token.row.id, token.version)
            raise Answered("call_refused", reply, **self._refusal(reply))
        tokens.touch(token.row)
        return reply

    def _as_itself(self, values: Mapping[str, Any]) -> Reply:
        """Client credentials: the system's one token, renewed once if it is rejected."""
        party = self._party(None)
        token = tokens.usable_token(party, self.target.row, deadline=self.deadline)
        reply = self._send(values, token)
        if not self._not_accepted(reply):
            return reply
        if not token.fresh and token.row.refusal_tried_version != token.version:
            token = self._renewed(party, token)
            reply = self._send(values, token)
            if not self._not_accepted(reply):
                return reply
        tokens.remember_refusal(token.row.id, token.version)
        raise Answered("call_refused", reply, **self._refusal(reply))

    def _not_accepted(self, reply: Reply) -> bool:
        """Whether the token is no longer good. Raises Answered: a write may have been done."""
        try:
            seen = self._shown(reply) if self.system.expired_when.get("json") else reply
            return answers.token_not_accepted(seen, self.system, self.budget)
        except CallFailure as failure:
            raise Answered(failure.code, reply, **failure.facts) from None

    def _refusal(self, reply: Reply) -> dict[str, Any]:
        failure = answers.failure_in(
            self._shown(reply), error_message=self.definition.error_message, budget=self.budget
        )
        return failure.facts if failure else {}

    def _party(self, user_id: int | None) -> Party:
        target = self.target
        return Party(
            system_id=target.system_id,
            system_version=target.system_version,
            user_id=user_id,
            fingerprint=self.system.fingerprint(),
            client=self._client,
            api_origin=self.system.api_origin,
        )

    @sensitive_variables()
    def _client(self) -> Client:
        return self.system.client(
            redirect_uri=redirect_uri_of(self.target.system_id),
            secrets=self.secrets or open_secrets(self.target.system_id, self.target.secrets),
            captures=self._captures(self.target.row),
        )

    @sensitive_variables()
    def _captures(self, row: Any) -> dict[str, Any]:
        if row is None or row.captures is None:
            return {}
        owner = self.user.pk if self.user_can_authorize else None
        text = row.captures.open(place_of("captures", self.target.system_id, owner))
        return values_of(text)

    @sensitive_variables()
    def _send(self, values: Mapping[str, Any], token: Token | None) -> Reply:
        """One request, repeated after a fault only where nothing can happen twice."""
        speaker = request.Speaker(
            token=token.value if token else "",
            secrets=self.secrets,
            captures=self._captures(token.row) if token else {},
        )
        prepared = self._prepared()
        self.origin = prepared.origin(speaker)
        parts = prepared.fill(values, speaker, idempotency_key=self.idempotency_key)
        most = MOST_BYTES
        if self.pages is not None:
            most = max(1, most - self.pages.size)
            if self.pages.turn is not None:
                url = self.pages.turn.applied(parts.url, self.system.written_parameter)
                parts = replace(parts, url=url)
        asked = parts.outbound(
            deadline=self.deadline,
            max_bytes=most,
            # A delivery is made once, whatever its integration says of repeats.
            repeatable=self.may_repeat and not self.idempotency_key,
            pool=str(self.target.system_id),
        )
        if token:
            self.sent_secrets.append(token.value)
        send = outbound.send if self.trace is None else self.trace.send
        with share.inside(
            self.target.system_id, self.deadline, origin=self.origin, user=self.user.pk
        ):
            reply = self._repeated(lambda: send(asked))
        if reply.status >= 400:
            self._expect_secrets()
        return reply

    @sensitive_variables()
    def _expect_secrets(self) -> None:
        """What a system says of a failure is shown; it may repeat what it knows of us."""
        with suppress(VaultFailure):
            self.secrets = self.secrets or open_secrets(self.target.system_id, self.target.secrets)

    def _prepared(self) -> request.Prepared:
        target = self.target
        if self.draft is not None:
            return request.Prepared(self.draft, self.system)
        key = (
            target.integration_id,
            target.integration_version,
            target.system_id,
            target.system_version,
        )
        return request.prepared(key, self.definition, self.system)

    @property
    def may_repeat(self) -> bool:
        """Whether nothing happens twice where a request arrives twice."""
        return self.target.usage == "query" or bool(self.definition.idempotency_key)

    def _repeated(self, send: Callable[[], Reply]) -> Reply:
        for _ in range(MOST_REPEATS if self.may_repeat else 0):
            try:
                reply = send()
            except OutboundFailure as failure:
                if failure.code not in ("connection_failed", "bad_response"):
                    raise
                if not self._paused(None):
                    raise
                continue
            if reply.status not in (502, 503, 504):
                return reply
            if not self._paused(answers.retry_after(reply)):
                return reply
        return send()

    def _paused(self, asked_for: int | None) -> bool:
        """Wait a moment before a repeat; False where the other system wants longer than we may."""
        seconds = random.uniform(*REPEAT_PAUSE) if asked_for is None else float(asked_for)
        if seconds > LONGEST_RETRY_AFTER or time.monotonic() + seconds >= self.deadline:
            return False
        time.sleep(seconds)
        return True
