"""Begin an attempt, finish it: in order, guards first.

An attempt is a row (single use, ten minutes) bound to a user and to a random value in the
session's data; the system's id stands in the redirect URI and in the row, and the two are
compared before any token request. Source: RFC 6749 §4.1 and §10.12, RFC 7636, RFC 9207,
RFC 9700 §4.
"""

from __future__ import annotations

import uuid
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any

import structlog
from django.contrib.auth import get_user_model
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from authlinks import binding, fresh, question, registration, tokens
from authlinks.models import AttemptOutcome, AuthorizationAttempt
from authlinks.question import Brought
from authlinks.registration import Registration
from connectedsystems import evidence, outbound, share, vault
from connectedsystems.errors import Failure, FlowFailure, VaultFailure
from connectedsystems.models import Application, AuditEvent, ConnectedSystem
from connectedsystems.oauth import after, authorization, callback, token
from connectedsystems.oauth.answer import TokenAnswer
from connectedsystems.oauth.callback import Callback
from connectedsystems.oauth.client import Client

log = structlog.get_logger(__name__)

EXCHANGE_SECONDS = 10.0


class AttemptFailed(Exception):
    """A callback that did not end in an authorization.

    ``attempt`` is None where the callback could not be tied to one of this user's own.
    """

    def __init__(self, failure: Failure, attempt: AuthorizationAttempt | None) -> None:
        super().__init__(failure.code)
        self.failure = failure
        self.attempt = attempt


@sensitive_variables()
def begin(
    walk_with: Registration,
    user: Any,
    session: MutableMapping[str, Any],
    *,
    next_path: str = "",
    popup: bool = False,
) -> tuple[AuthorizationAttempt, str]:
    """Open an attempt for this user and session; gives it and the address to go to.

    Raises VaultFailure (the system's secret does not open) and Failure of a configuration that
    cannot say where to go.
    """
    close_forgotten(user)
    client = walk_with.client()
    walk = authorization.begin(client)
    value = binding.new_value()
    attempt = AuthorizationAttempt(
        system_id=walk_with.public_id,
        user=user,
        state_hash=binding.hash_of(walk.state),
        session_hash=binding.hash_of(value),
        next=next_path,
        popup=popup,
        configuration_digest=walk_with.digest,
        fingerprint=walk_with.fingerprint,
        scope_requested=client.scope,
    )
    if walk.verifier:
        attempt.verifier = vault.seal(walk.verifier, attempt.place("verifier"))
    if walk_with.draft:
        attempt.draft = vault.seal(walk_with.draft, attempt.place("draft"))
    steps = [evidence.leaving(walk.url)]
    attempt.timeline = evidence.sealed(steps, attempt.place("timeline"))
    attempt.save(force_insert=True)
    binding.bind(session, attempt, value)
    log.info("attempt_begun", reference=attempt.reference, system=str(walk_with.public_id))
    return attempt, walk.url


def close_forgotten(user: Any) -> None:
    """Attempts of this user that were never answered in time: failed, and their verifiers gone."""
    AuthorizationAttempt.objects.filter(
        user=user, outcome=AttemptOutcome.OPEN, ends_at__lte=timezone.now()
    ).update(outcome=AttemptOutcome.FAILED, code="attempt_not_finished", verifier=None)


def finish(
    public_id: uuid.UUID, user: Any, session: MutableMapping[str, Any], query_string: str
) -> AuthorizationAttempt:
    """Take a callback to its end: tokens are stored when this returns.

    The same browser coming once more after a success (reload, back button, a server that sends it
    here twice) gets the attempt as it ended: nothing is claimed, asked or stored again.

    Raises AttemptFailed with the cause; no token request has been made unless the callback
    belongs to this user, this session and this system.
    """
    attempt = _own_attempt(public_id, user, session, query_string)
    if attempt.claimed:
        log.info("callback_came_again", reference=attempt.reference)
        return attempt
    _check_keys(attempt)
    _claim(attempt)
    with evidence.kept() as exchanges:
        came_back = evidence.returning(query_string)
        try:
            _complete(attempt, query_string)
        except Failure as failure:
            _fail(attempt, failure)
            raise AttemptFailed(failure, attempt) from None
        except fresh.LOST:
            raise AttemptFailed(_lost(attempt), attempt) from None
        except BaseException:
            _fail(attempt, Failure("internal_error"))
            raise
        finally:
            with suppress(*fresh.LOST):
                _tell(attempt, came_back, exchanges)
    return attempt


def _lost(attempt: AuthorizationAttempt) -> Failure:
    """The database took nothing for seconds: the code is spent, and what it brought is gone."""
    failure = FlowFailure("authorization_not_saved")
    log.error("attempt_failed", reference=attempt.reference, code=failure.code)
    with suppress(*fresh.LOST):
        AuthorizationAttempt.objects.filter(pk=attempt.pk).update(
            outcome=AttemptOutcome.FAILED,
            code=failure.code,
            verifier=None,
            finished_at=timezone.now(),
        )
    return failure


def _tell(
    attempt: AuthorizationAttempt, came_back: evidence.Step, exchanges: list[evidence.Exchange]
) -> None:
    """Keep what happened since the browser left."""
    place = attempt.place("timeline")
    try:
        before = evidence.opened(attempt.timeline, place) or []
    except VaultFailure:
        before = []
    asked = evidence.steps_of(exchanges, bodies=True, in_attempt=True)
    told = evidence.sealed([*before, came_back, *asked], place)
    AuthorizationAttempt.objects.filter(pk=attempt.pk).update(timeline=told)


def _own_attempt(
    public_id: uuid.UUID, user: Any, session: MutableMapping[str, Any], query_string: str
) -> AuthorizationAttempt:
    """The attempt this callback answers, if it is this person's, begun in this session.

    One that is claimed is given only where it has succeeded and its ten minutes are not over.
    """

    def refuse(code: str, attempt: AuthorizationAttempt | None = None) -> AttemptFailed:
        log.warning("callback_refused", code=code, system=str(public_id))
        return AttemptFailed(FlowFailure(code), attempt)

    try:
        state = callback.state_of(query_string)
    except Failure as failure:
        raise AttemptFailed(failure, None) from None
    attempt = AuthorizationAttempt.objects.filter(
        state_hash=binding.hash_of(state), system_id=public_id
    ).first()
    if not user.is_authenticated:
        # Whoever holds the state may know where its walk began; that is all they get.
        raise refuse("state_missing_session", attempt)
    if attempt is None:
        raise refuse("state_unknown")
    begun_here = binding.is_bound(session, attempt)
    if attempt.user_id != user.pk:
        raise refuse("state_user_mismatch" if begun_here else "state_unknown")
    if attempt.claimed and not (begun_here and _ended_well(attempt)):
        raise refuse("state_used", attempt)
    if not begun_here:
        raise refuse("state_missing_session", attempt)
    if attempt.expired:
        raise refuse("state_expired", attempt)
    return attempt


def _check_keys(attempt: AuthorizationAttempt) -> None:
    """Raises AttemptFailed ``key_missing`` while the attempt can still be answered elsewhere.

    In the middle of a rotation the next process, asked by a reload, may have the key.
    """
    system = ConnectedSystem.objects.filter(pk=attempt.system_id).first()
    for sealed, subject in (
        (system.secrets if system and not attempt.draft else None, "system"),
        *((getattr(attempt, column), "attempt") for column in ("verifier", "draft", "timeline")),
    ):
        if sealed is not None and sealed.key_missing:
            name = sealed.key_name.partition(".")[0]
            raise AttemptFailed(VaultFailure("key_missing", name=name, subject=subject), attempt)


def _ended_well(attempt: AuthorizationAttempt) -> bool:
    return attempt.outcome == AttemptOutcome.SUCCEEDED and not attempt.expired


def _claim(attempt: AuthorizationAttempt) -> None:
    """Use the attempt up, so that of two callbacks at once one goes on."""
    taken = AuthorizationAttempt.objects.filter(pk=attempt.pk, claimed=False).update(claimed=True)
    if not taken:
        raise AttemptFailed(FlowFailure("state_used"), attempt)


@sensitive_variables()
def _complete(attempt: AuthorizationAttempt, query_string: str) -> None:
    walked_with = _registration_of(attempt)
    client = walked_with.client()
    answer_here = callback.read(client, query_string)
    callback.check_issuer(client, answer_here.iss, is_error=bool(answer_here.error))
    callback.check_error(answer_here)
    if walked_with.digest != attempt.configuration_digest:
        raise FlowFailure("configuration_changed")
    if not may_act(attempt):
        raise FlowFailure("not_allowed", hidden=True)
    deadline = outbound.deadline_in(EXCHANGE_SECONDS)
    origin = client.knowing(answer_here.captures).token_origin()
    with share.inside(attempt.system_id, deadline, origin=origin, user=attempt.user_id):
        brought = _exchange(attempt, client, answer_here)
    if attempt.draft:
        question.keep(attempt, brought)
        _succeed(attempt, brought)
    elif brought.open_question:
        question.keep(attempt, brought)
        fresh.insist(lambda _: attempt.save(update_fields=["draft_answer"]))
    else:
        _take(attempt, walked_with, brought)


def may_act(attempt: AuthorizationAttempt) -> bool:
    """Whether whoever began this attempt may still have it finished, asked anew.

    A designer's try of unsaved values needs a designer: of its system, or, where that has no row
    yet, of any application.
    """
    user = get_user_model().objects.filter(pk=attempt.user_id).first()
    if user is None:
        return False
    systems = ConnectedSystem.objects.filter(pk=attempt.system_id)
    if not attempt.draft:
        return systems.for_member(user).exists()
    if systems.exists():
        return systems.for_designer(user).exists()
    return Application.objects.for_designer(user).exists()


@sensitive_variables()
def _exchange(attempt: AuthorizationAttempt, client: Client, back: Callback) -> Brought:
    """The one exchange of this code, and what is asked right after it."""
    verifier = attempt.verifier.open(attempt.place("verifier")) if attempt.verifier else ""
    deadline = outbound.deadline_in(EXCHANGE_SECONDS)
    client = client.knowing(back.captures)
    try:
        answer = token.exchange(client, back.code, verifier, deadline, state=back.state)
    except Failure as failure:
        failure.facts["stage"] = "exchange"
        raise
    captures = {**back.captures, **answer.captures}
    learned = after.learn(client.knowing(captures), answer.access_token, deadline)
    return Brought(
        answer=answer,
        captures={**captures, **learned.captures},
        choices=learned.choices if len(learned.choices) > 1 else (),
        previous=fresh.insist(
            lambda _: question.previous_account(attempt.system_id, attempt.user_id)
        ),
    )


def answer_question(
    attempt: AuthorizationAttempt, *, chosen: str = "", replace: bool = False
) -> bool:
    """Go on with what the user answered; False where another question is left.

    Raises AttemptFailed where the walk was given up or the system changed meanwhile.
    """
    brought = question.kept(attempt)
    if brought is None:
        raise AttemptFailed(FlowFailure("state_used"), attempt)
    if chosen:
        brought = brought.chosen(chosen) or brought
        if brought.open_question:
            question.keep(attempt, brought)
            attempt.save(update_fields=["draft_answer"])
            return False
    elif not replace:
        raise _given_up(attempt, FlowFailure("access_denied"))
    walked_with = _registration_of(attempt)
    if walked_with.digest != attempt.configuration_digest:
        raise _given_up(attempt, FlowFailure("configuration_changed"))
    if not may_act(attempt):
        raise _given_up(attempt, FlowFailure("not_allowed", hidden=True))
    _take(attempt, walked_with, brought)
    return True


def leave_as_it_was(attempt: AuthorizationAttempt) -> None:
    """The user keeps the account of before: what the walk brought is dropped, and no failure."""
    attempt.outcome = AttemptOutcome.SUCCEEDED
    attempt.code, attempt.draft_answer = "", None
    attempt.facts = {"kept": True}
    _close(attempt)
    _audit(attempt, "authorize", "kept")


def _given_up(attempt: AuthorizationAttempt, failure: Failure) -> AttemptFailed:
    attempt.draft_answer = None
    _fail(attempt, failure)
    return AttemptFailed(failure, attempt)


@sensitive_variables()
def _take(attempt: AuthorizationAttempt, walked_with: Registration, brought: Brought) -> None:
    """Let what the walk brought stand from now on."""
    _keep(attempt, walked_with, brought.answer, brought.captures)
    attempt.draft_answer = None
    attempt.facts = {"account_changed": True} if brought.other_account else {}
    _succeed(attempt, brought)


def _registration_of(attempt: AuthorizationAttempt) -> Registration:
    """What the attempt is answered with: the system as it is now, or the attempt's own draft."""
    if attempt.draft:
        return registration.of_draft(attempt.system_id, attempt.draft.open(attempt.place("draft")))
    system = ConnectedSystem.objects.filter(pk=attempt.system_id).first()
    if system is None:
        raise FlowFailure("state_unknown")
    return registration.of_system(system)


@sensitive_variables()
def _keep(
    attempt: AuthorizationAttempt,
    walked_with: Registration,
    answer: TokenAnswer,
    captures: dict[str, Any],
) -> None:
    tokens.store(
        attempt.system_id,
        attempt.user_id,
        answer,
        client=walked_with.client(),
        fingerprint=walked_with.fingerprint,
        captures=captures,
        api_origin=walked_with.api_origin(captures),
    )


def _succeed(attempt: AuthorizationAttempt, brought: Brought) -> None:
    attempt.outcome = AttemptOutcome.SUCCEEDED
    attempt.code = ""
    if brought.answer.scope:
        attempt.facts["granted_scope"] = brought.answer.scope
    _close(attempt)
    _audit(attempt, "authorized", "done")
    log.info("attempt_succeeded", reference=attempt.reference)


def _fail(attempt: AuthorizationAttempt, failure: Failure) -> None:
    attempt.outcome = AttemptOutcome.FAILED
    attempt.code = failure.code
    attempt.facts = failure.facts
    _close(attempt)
    _audit(attempt, "authorize", "failed")
    log.warning("attempt_failed", reference=attempt.reference, code=failure.code, **failure.facts)


def _close(attempt: AuthorizationAttempt) -> None:
    attempt.verifier = None
    attempt.finished_at = timezone.now()
    columns = ["outcome", "code", "facts", "verifier", "draft_answer", "finished_at"]
    fresh.insist(lambda _: attempt.save(update_fields=columns))


def _audit(attempt: AuthorizationAttempt, action: str, outcome: str) -> None:
    system = ConnectedSystem.objects.filter(pk=attempt.system_id).first()
    AuditEvent.objects.record(
        action,
        actor=attempt.user,
        subject=attempt.user,
        system=system,
        outcome=outcome,
        code=attempt.code,
        reference=attempt.reference,
    )


def latest_attempt(system_id: uuid.UUID, user: Any) -> AuthorizationAttempt | None:
    """This user's newest attempt at this system; a designer's tries of unsaved values are none."""
    return (
        AuthorizationAttempt.objects.filter(system_id=system_id, user=user, draft__isnull=True)
        .order_by("-begun_at")
        .first()
    )
