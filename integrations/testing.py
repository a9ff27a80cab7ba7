"""``in_state()``: any page in any state of an authorization, a call or a held write, offline.

For the tests of pages that call integrations, yours and ours. Everything but the network is the
real thing: rows, roles, inputs, sealing, sentences, templates.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from unittest import mock
from urllib.parse import urlsplit

from django.conf import settings
from django.test import Client
from django.utils import timezone

from authlinks.models import AttemptOutcome, Authorization, AuthorizationAttempt, State
from connectedsystems import saving, vault
from connectedsystems.diagnosis import CATALOGUE, GROUPS
from connectedsystems.errors import (
    CallFailure,
    Failure,
    InputInvalid,
    OutboundFailure,
    TokenUnavailable,
)
from connectedsystems.models import Application, Authentication, ConnectedSystem
from connectedsystems.outbound import Headers, Reply
from connectedsystems.saving import Wanted
from integrations import call, conversation, held
from integrations.models import HeldState, HeldSubmission, Integration, Usage

STATES: Final = (*State.values, *HeldState.values, *CATALOGUE)
"""Every state that a page can be shown in."""

_STATUS: Final = {
    "insufficient_scope": 403,
    "call_refused": 403,
    "call_not_found": 404,
    "call_failed": 500,
    "rate_limited": 429,
    "success_rule_failed": 200,
    "result_rule_failed": 200,
}
_NOT_SENT: Final = frozenset({"address_refused", "connection_failed", "tls_error"})
_WALKING: Final = {**GROUPS["Before authorizing"], **GROUPS["Coming back"]}
_RENEWING: Final = {**GROUPS["The token endpoint"], **GROUPS["Later"]}
_CAUSES: Final[Mapping[State, tuple[str, dict[str, Any]]]] = {
    State.NEVER_AUTHORIZED: ("needs_authorization", {"cause": "never_authorized"}),
    State.NEEDS_AUTHORIZATION: ("needs_authorization", {"cause": "refresh_refused"}),
    State.CONFIGURATION_CHANGED: ("configuration_changed", {}),
    State.CANNOT_BE_OPENED: ("decrypt_failed", {"subject": "authorization"}),
    State.KEY_MISSING: ("key_missing", {"subject": "authorization"}),
}
_OAUTH: Final = {
    "client_id": "in-state",
    "authorization_endpoint": "https://in-state.invalid/authorize",
    "token_endpoint": "https://in-state.invalid/token",
}


class _SiteClient(Client):
    """A test client at ``PUBLIC_BASE_URL``: from any other address this site leads there."""

    def generic(self, method: str, path: Any, *args: Any, **more: Any) -> Any:
        ours = urlsplit(settings.PUBLIC_BASE_URL)
        here = {"SERVER_NAME": ours.hostname, "secure": ours.scheme == "https"}
        return super().generic(method, path, *args, **{**more, **here})


def client_for(user: Any) -> Client:
    """A test client that is logged in as ``user``, at this site's own address."""
    client = _SiteClient()
    client.force_login(user)
    return client


@dataclass(frozen=True, slots=True)
class Scene:
    """What a state is made of; ``held`` is there in the states of a held submission."""

    system: ConnectedSystem
    user: Any
    state: str
    held: HeldSubmission | None = None


@contextmanager
def in_state(
    system: str,
    user: Any,
    state: str,
    /,
    *,
    results: Mapping[str, Any] | None = None,
    integration: str = "",
    inputs: Mapping[str, Any] | None = None,
    **facts: Any,
) -> Iterator[Scene]:
    """Show any page in ``state``, as ``user`` meets it at ``system`` (a slug), without a network.

    ``state`` is one of ``STATES``: a state of the authorization (``connected``,
    ``never_authorized``, ...), of a held submission (``waiting``, ``outcome_unknown``, ...), or a
    failure code, told with ``facts`` such as ``retry_after=30``. Where calls succeed, ``results``
    gives each integration's data by its slug, and ``{}`` is the answer of the others.
    ``integration`` and ``inputs`` say what was submitted, where a submission is held.

    A system or an integration that is not there is made, open to everyone. At the end all is as
    it was. Raises ValueError for a state that does not exist.
    """
    if state not in STATES:
        raise ValueError(f"There is no state {state!r}; there are {', '.join(STATES)}.")
    stands, failure = _standing(state, facts)
    with ExitStack() as stage:
        known = stage.enter_context(_system(system))
        answers = dict(results or {})
        for slug in answers:
            stage.enter_context(_integration(slug, known))
        stage.enter_context(_authorization(known, user, stands, state, facts))
        if state in _WALKING and state not in State.values:
            stage.enter_context(_failed_attempt(known, user, state, facts))
        submission = None
        if state in HeldState.values:
            submission = stage.enter_context(_held(known, user, state, integration, inputs))
        stage.enter_context(_answered(known, user, answers, failure))
        yield Scene(known, user, state, submission)


def _standing(state: str, facts: dict[str, Any]) -> tuple[State, Callable[[], Failure] | None]:
    """How the authorization stands in this state, and what a call meets."""
    if state == "decrypt_failed":
        state = State.CANNOT_BE_OPENED
    elif state == HeldState.WAITING or (state in _WALKING and state not in State.values):
        state = State.NEVER_AUTHORIZED
    elif state in HeldState.values:
        state = State.CONNECTED
    if state in State.values:
        stands = State(state)
        if stands not in _CAUSES:
            return stands, None
        code, causes = _CAUSES[stands]
        return stands, lambda: TokenUnavailable(code, **{**causes, **facts})
    stands = State.REFRESH_DUE if state in _RENEWING else State.CONNECTED
    return stands, lambda: _failure(state, facts)


def _failure(code: str, facts: dict[str, Any]) -> Failure:
    if code == "input_invalid":
        return InputInvalid(facts.get("errors", {}))
    if code in _STATUS:
        status = facts.get("status", _STATUS[code])
        reply = _reply({"error": code}, status)
        return conversation.Answered(code, reply, **{"status": status, "stage": "call", **facts})
    if code in GROUPS["The network"]:
        return OutboundFailure(code, sent=code not in _NOT_SENT, **{"stage": "call", **facts})
    if code in _RENEWING:
        return TokenUnavailable(code, **facts)
    return CallFailure(code, **facts)


def _reply(data: Any, status: int = 200) -> Reply:
    if isinstance(data, bytes):
        kind, body = "application/octet-stream", data
    elif isinstance(data, str):
        kind, body = "text/plain; charset=utf-8", data.encode()
    else:
        kind, body = "application/json", json.dumps(data).encode()
    return Reply(status, "", Headers([("Content-Type", kind)]), body, "https://in-state.invalid/")


@contextmanager
def _answered(
    system: ConnectedSystem,
    user: Any,
    answers: Mapping[str, Any],
    failure: Callable[[], Failure] | None,
) -> Iterator[None]:
    """This user's calls there end as wanted; those of others go their way."""
    make, run = call.make, conversation.Call.run
    made_up = system.application.slug.startswith(_MADE_UP)

    def made(
        slug: str, who: Any, inputs: Mapping[str, Any], *, hold: bool = False, **more: Any
    ) -> call.Outcome:
        if made_up or slug in answers:
            _fit(kept.enter_context(_integration(slug, system)), inputs, writes=hold)
        return make(slug, who, inputs, hold=hold, **more)

    def ran(walk: conversation.Call, values: Mapping[str, Any]) -> Reply:
        if walk.target.system_id != system.pk or walk.user.pk != user.pk:
            return run(walk, values)
        if failure is not None:
            raise failure()
        return _reply(answers.get(walk.target.slug, {}))

    with (
        ExitStack() as kept,
        mock.patch.object(call, "make", made),
        mock.patch.object(conversation.Call, "run", ran),
    ):
        yield


_MADE_UP: Final = "in-state-"


@contextmanager
def _system(slug: str) -> Iterator[ConnectedSystem]:
    found = ConnectedSystem.objects.filter(slug=slug).select_related("application").first()
    if found is not None:
        yield found
        return
    application = Application.objects.create(
        slug=f"{_MADE_UP}{uuid.uuid4().hex}", name="In state", open_to_everyone=True
    )
    data = {
        "slug": slug,
        "name": slug.replace("-", " ").capitalize(),
        "base_url": "https://in-state.invalid",
        "authentication": Authentication.AUTHORIZATION_CODE,
        "oauth": dict(_OAUTH),
    }
    made = saving.save(uuid.uuid4(), Wanted(application.pk, data), read=None, by=None).system
    try:
        yield made
    finally:
        Integration.objects.filter(connected_system=made).delete()
        made.delete()
        application.delete()


@contextmanager
def _integration(slug: str, system: ConnectedSystem) -> Iterator[Integration]:
    found = Integration.objects.filter(slug=slug).first()
    if found is not None:
        yield found
        return
    made = Integration.objects.create(
        connected_system=system,
        slug=slug,
        name=slug.replace("-", " ").capitalize(),
        definition={"method": "GET", "path": f"/{_MADE_UP}{slug}"},
    )
    try:
        yield made
    finally:
        made.delete()


def _fit(integration: Integration, inputs: Mapping[str, Any], *, writes: bool) -> None:
    """An integration that was made up takes whatever it is given."""
    definition = integration.definition
    known = [each["name"] for each in definition.get("inputs", ())]
    names = list(dict.fromkeys([*known, *inputs]))
    if not str(definition.get("path")).startswith(f"/{_MADE_UP}"):
        return
    usage = Usage.MODIFY if writes else integration.usage
    if (names, usage) != (known, integration.usage):
        definition["inputs"] = [{"name": name, "type": "json"} for name in names]
        integration.usage = usage
        integration.version += 1
        integration.save()


@contextmanager
def _authorization(
    system: ConnectedSystem, user: Any, stands: State, state: str, facts: dict[str, Any]
) -> Iterator[None]:
    before = list(Authorization.objects.of(system, user))
    Authorization.objects.of(system, user).delete()
    if stands != State.NEVER_AUTHORIZED:
        _authorization_that(system, user, stands, state, facts).save(force_insert=True)
    try:
        yield
    finally:
        Authorization.objects.of(system, user).delete()
        Authorization.objects.bulk_create(before)


def _authorization_that(
    system: ConnectedSystem, user: Any, stands: State, state: str, facts: dict[str, Any]
) -> Authorization:
    now = timezone.now()
    row = Authorization(system=system, user=user, authorized_at=now - timedelta(days=1))
    row.fingerprint = system.parsed().fingerprint()
    place = row.place("access_token")
    if stands == State.CANNOT_BE_OPENED:
        place = vault.place("another", "place")
    row.access_token = vault.seal(uuid.uuid4().hex, place)
    row.refresh_token = vault.seal(uuid.uuid4().hex, row.place("refresh_token"))
    if stands == State.KEY_MISSING:
        row.access_token = vault.Sealed.from_stored("1:in-state.00000000:AAAA")
    row.expires_at = now + timedelta(hours=1)
    if stands == State.REFRESH_DUE:
        row.expires_at = now - timedelta(minutes=1)
        row.failure_code = "" if state == State.REFRESH_DUE else state
        row.failure_facts = facts
    elif stands == State.NEEDS_AUTHORIZATION:
        row.ended_code = row.failure_code = "refresh_refused"
    elif stands == State.CONFIGURATION_CHANGED:
        row.fingerprint = "of another configuration"
    return row


@contextmanager
def _failed_attempt(
    system: ConnectedSystem, user: Any, code: str, facts: dict[str, Any]
) -> Iterator[None]:
    is_open = code == "attempt_not_finished"
    attempt = AuthorizationAttempt.objects.create(
        system=system,
        user=user,
        state_hash=uuid.uuid4().hex,
        outcome=AttemptOutcome.OPEN if is_open else AttemptOutcome.FAILED,
        code="" if is_open else code,
        facts=facts,
        finished_at=None if is_open else timezone.now(),
    )
    try:
        yield
    finally:
        attempt.delete()


@contextmanager
def _held(
    system: ConnectedSystem,
    user: Any,
    state: str,
    slug: str,
    inputs: Mapping[str, Any] | None,
) -> Iterator[HeldSubmission]:
    with _written(system, slug) as integration:
        _fit(integration, inputs or {}, writes=True)
        submission = held.hold(integration.pk, user, inputs or {})
        if submission is None:
            raise ValueError(f"{user} has as many held submissions as are kept.")
        now = timezone.now()
        endings: dict[str, dict[str, Any]] = {
            HeldState.SENDING: {"sending_until": now + timedelta(minutes=1)},
            HeldState.DELIVERED: {"finished_at": now},
            HeldState.REFUSED: {"code": "call_failed", "facts": {"status": 422}},
            HeldState.OUTCOME_UNKNOWN: {"code": "timeout"},
        }
        HeldSubmission.objects.filter(pk=submission.pk).update(
            state=state, **endings.get(state, {})
        )
        submission.refresh_from_db()
        try:
            yield submission
        finally:
            HeldSubmission.objects.filter(pk=submission.pk).delete()


def _written(system: ConnectedSystem, slug: str) -> AbstractContextManager[Integration]:
    """The integration that modifies data: the one named, else one that is there, else a new one."""
    if not slug:
        found = Integration.objects.filter(connected_system=system, usage=Usage.MODIFY).first()
        slug = found.slug if found else f"{_MADE_UP}write"
    return _integration(slug, system)
