"""call_integration(): from a slug and a user to a response, in one query and one request."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from django.db import connection
from django.views.decorators.debug import sensitive_variables

from authlinks import tokens
from authlinks.models import place_of
from authlinks.rows import read_row
from authlinks.tokens import Party, Token
from connectedsystems import configuration, outbound
from connectedsystems.configuration import Configuration
from connectedsystems.errors import (
    CallFailure,
    Failure,
    InsideTransaction,
    OutboundFailure,
    TokenUnavailable,
    UnknownIntegration,
    VaultFailure,
)
from connectedsystems.kept import Kept
from connectedsystems.models import (
    Authentication,
    ConnectedSystem,
    new_reference,
    open_secrets,
    redirect_uri_of,
)
from connectedsystems.oauth.client import Client
from connectedsystems.outbound import Reply
from integrations import answers, held, record, request
from integrations import inputs as typed
from integrations.definition import Definition, read
from integrations.lookup import Target, of_draft
from integrations.models import HeldSubmission, Integration
from integrations.response import IntegrationResponse, respond
from integrations.trace import Trace

_definitions: Kept[Definition] = Kept(most=10_000)

MOST_BYTES = 10_000_000
MENDED_BY_USER = frozenset(
    {"needs_authorization", "insufficient_scope", "configuration_changed", "decrypt_failed"}
)
MOST_REPEATS = 2
REPEAT_PAUSE = (0.1, 0.4)
LONGEST_RETRY_AFTER = 2


class Answered(CallFailure):
    """A failure that came with a reply of the other system."""

    def __init__(self, code: str, reply: Reply, **facts: Any) -> None:
        super().__init__(code, **facts)
        self.reply = reply


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a call: the response, and the evidence it was made from."""

    response: IntegrationResponse
    failure: Failure | None
    reply: Reply | None


def call(
    slug: str, user: Any, inputs: Mapping[str, Any], *, hold: bool = False
) -> IntegrationResponse:
    """See ``integrations.call_integration``."""
    return make(slug, user, inputs, hold=hold).response


def deliver(submission: HeldSubmission, *, again: bool = False) -> IntegrationResponse | None:
    """Send a held submission, at most once; None where it was or is being sent already."""
    refuse_inside_transaction()
    integration = submission.integration
    seconds = definition_of(integration.pk, integration.version).timeout
    try:
        values = submission.opened_inputs()
    except VaultFailure:
        return None
    if not held.claim(submission, seconds, again=again):
        return None
    outcome = make(
        integration.slug,
        submission.user,
        values,
        idempotency_key=str(submission.idempotency_key),
        submission=submission,
    )
    held.settle(submission, outcome.response.reference, outcome.failure, outcome.reply)
    return outcome.response


def make(
    slug: str,
    user: Any,
    inputs: Mapping[str, Any],
    *,
    hold: bool = False,
    idempotency_key: str = "",
    submission: HeldSubmission | None = None,
) -> Outcome:
    """Make one call, and keep its evidence; ``submission`` is what it delivers.

    Raises ProgrammingMistake and TypeError.
    """
    refuse_inside_transaction()
    target = Integration.objects.for_call(slug, user)
    if target is None:
        raise UnknownIntegration(f"There is no integration with the slug {slug!r}.")
    walk = Call(target, user, idempotency_key)
    return _make(walk, inputs, hold=hold, submission=submission)


def refused(slug: str, user: Any, failure: Failure) -> IntegrationResponse:
    """What never became a call, because of what was given: told and written down like one."""
    target = Integration.objects.for_call(slug, user)
    if target is None:
        raise UnknownIntegration(f"There is no integration with the slug {slug!r}.")
    response = respond(target, new_reference(), failure=failure)
    record.after(target, user, response, 0.0, failure.facts)
    return response


def try_out(
    definition: Definition,
    system: ConnectedSystem,
    user: Any,
    inputs: Mapping[str, Any],
    trace: Trace,
) -> Outcome:
    """Make one call of a definition that may not be saved, as the designer ``user``.

    Raises InsideTransaction and TypeError.
    """
    refuse_inside_transaction()
    target = of_draft(definition.slug, definition.usage, system, user)
    return _make(Call(target, user, draft=definition, trace=trace), inputs)


def _make(
    walk: Call,
    inputs: Mapping[str, Any],
    *,
    hold: bool = False,
    submission: HeldSubmission | None = None,
) -> Outcome:
    started = time.monotonic()
    target, user = walk.target, walk.user
    failure: Failure | None = None
    reply: Reply | None = None
    values: Mapping[str, Any] = {}
    try:
        walk.prepare()
        values = walk.read(inputs)
        reply = walk.run(values)
        failure = answers.failure_in(reply, walk.definition.success)
    except Failure as caught:
        failure, reply = caught, getattr(caught, "reply", None)
    if failure is not None and target.usage == "modify" and _may_have_arrived(failure, reply):
        failure.facts["outcome_unknown"] = True
    needs = failure is not None and failure.code in MENDED_BY_USER and walk.user_can_authorize
    kept = submission if needs else None
    if hold and needs and target.usage == "modify":
        kept = held.hold(target.integration_id, user, values)
    response = respond(
        target,
        new_reference(),
        reply,
        failure,
        needs_authorization=needs,
        held=kept,
        secrets=[*walk.sent_secrets, *configuration.secret_texts(walk.secrets)],
    )
    facts = failure.facts if failure else {}
    if walk.trace is not None:
        walk.trace.end()
    seconds = time.monotonic() - started
    record.after(target, user, response, seconds, facts, test=walk.trace is not None)
    return Outcome(response, failure, reply)


def _may_have_arrived(failure: Failure, reply: Reply | None) -> bool:
    """Whether nobody can say that a write was not executed."""
    if reply is not None:
        return reply.status >= 500
    return isinstance(failure, OutboundFailure) and failure.sent


def refuse_inside_transaction() -> None:
    """A renewed token that a caller's roll-back took away would be gone for ever."""
    blocks = connection.atomic_blocks
    if blocks and not getattr(blocks[-1], "_from_testcase", False):
        raise InsideTransaction(
            "call_integration() was called inside a transaction, whose roll-back would lose a"
            " renewed token. Call it before the block, or from transaction.on_commit()."
        )


def definition_of(integration_id: Any, version: int) -> Definition:
    """An integration's parsed definition, kept per process by version."""

    def load() -> dict[str, Any]:
        return Integration.objects.get(pk=integration_id).as_data()

    return _definitions.get((integration_id, version), lambda: read(load()))


def configuration_of(system_id: Any, version: int) -> Configuration:
    """A system's parsed configuration, kept per process by version."""

    def load() -> dict[str, Any]:
        return ConnectedSystem.objects.get(pk=system_id).as_data()

    return configuration.parsed(system_id, version, load)


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
            self.secrets = self._opened_secrets()

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

    def _opened_secrets(self) -> dict[str, Any]:
        try:
            return open_secrets(self.target.system_id, self.target.secrets)
        except VaultFailure as failure:
            raise VaultFailure("key_missing", subject="system", **failure.facts) from None

    def run(self, values: Mapping[str, Any]) -> Reply:
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
            if not answers.token_not_accepted(reply, self.system):
                break
            # A rejected token means that nothing was executed, so a write is repeated too. The
            # second round is for a token that somebody else's renewal ended on its way there.
            token = self._token_after_rejection(party, token, reply)
            reply = self._send(values, token)
        if answers.token_not_accepted(reply, self.system):
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
            if failure.code in MENDED_BY_USER:
                raise
            raise Answered("call_refused", reply, **self._refusal(reply)) from None
        reply = self._send(values, token)
        if answers.token_not_accepted(reply, self.system):
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
        if not answers.token_not_accepted(reply, self.system):
            return reply
        if not token.fresh and token.row.refusal_tried_version != token.version:
            token = self._renewed(party, token)
            reply = self._send(values, token)
            if not answers.token_not_accepted(reply, self.system):
                return reply
        tokens.remember_refusal(token.row.id, token.version)
        raise Answered("call_refused", reply, **self._refusal(reply))

    @staticmethod
    def _refusal(reply: Reply) -> dict[str, Any]:
        failure = answers.failure_in(reply)
        return failure.facts if failure else {}

    def _party(self, user_id: int | None) -> Party:
        target = self.target
        return Party(
            system_id=target.system_id,
            system_version=target.system_version,
            user_id=user_id,
            fingerprint=self.system.fingerprint(),
            client=self._client,
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
        values: dict[str, Any] = request.read_captures(text)
        return values

    @sensitive_variables()
    def _send(self, values: Mapping[str, Any], token: Token | None) -> Reply:
        """One request, repeated after a fault only where nothing can happen twice."""
        speaker = request.Speaker(
            token=token.value if token else "",
            secrets=self.secrets,
            captures=self._captures(token.row) if token else {},
        )
        parts = self._prepared().fill(values, speaker, idempotency_key=self.idempotency_key)
        asked = parts.outbound(
            deadline=self.deadline, max_bytes=MOST_BYTES, pool=str(self.target.system_id)
        )
        if token:
            self.sent_secrets.append(token.value)
        send = outbound.send if self.trace is None else self.trace.send
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

    def _repeated(self, send: Callable[[], Reply]) -> Reply:
        may_repeat = self.target.usage == "query" or bool(self.definition.idempotency_key)
        for _ in range(MOST_REPEATS if may_repeat else 0):
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
