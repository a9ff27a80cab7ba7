"""The catalogue: complete, whole sentences for any facts, and no jargon for end users."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectedsystems.diagnosis import CATALOGUE, FIELDS, GROUPS, Diagnosis, diagnose, quote, wait

CODES = """
state_missing state_missing_session state_unknown state_used state_expired state_user_mismatch
issuer_mismatch bad_callback code_missing configuration_changed access_denied scope_refused
provider_error attempt_not_finished popup_blocked opened_ahead
token_http_error token_not_json token_missing token_malformed token_type_unsupported token_refused
client_auth_failed redirect_uri_mismatch scope_reduced refresh_token_missing
needs_authorization insufficient_scope refresh_in_progress refresh_failed refresh_outcome_unknown
temporarily_unavailable rate_limited revocation_failed
too_many_requests call_refused call_not_found call_failed success_rule_failed input_invalid result_rule_failed
system_down not_allowed capture_missing expression_too_costly pattern_unsupported
redirect_refused address_refused tls_error timeout too_large connection_failed bad_response busy
decrypt_failed key_missing in_transaction internal_error configuration_invalid
bad_request request_too_large log_in form_expired saved_meanwhile not_found
discovery_failed discovery_mismatch
"""

BUNDLE_KEYS = """
base_url api_key basic client_id client_secret authorization_endpoint token_endpoint
refresh_endpoint revocation_endpoint discovery_url issuer scope client_authentication pkce
authorization_parameters token_parameters token_response code_parameter captures
capture_patterns second_exchange after_authorization expired_when
method path parameters body inputs timeout success result pagination
redirect_uri
"""

STATUS = {
    200: "popup_blocked attempt_not_finished scope_reduced refresh_token_missing"
    " needs_authorization insufficient_scope configuration_changed decrypt_failed"
    " revocation_failed",
    400: "configuration_invalid state_missing state_missing_session state_unknown state_used"
    " state_expired issuer_mismatch bad_callback code_missing access_denied scope_refused"
    " provider_error input_invalid bad_request",
    403: "state_user_mismatch not_allowed form_expired",
    401: "log_in",
    404: "not_found",
    409: "saved_meanwhile",
    413: "request_too_large",
    429: "too_many_requests",
    502: "token_http_error token_not_json token_missing token_malformed token_type_unsupported"
    " token_refused client_auth_failed redirect_uri_mismatch capture_missing refresh_failed"
    " refresh_outcome_unknown temporarily_unavailable rate_limited call_refused call_not_found"
    " call_failed success_rule_failed result_rule_failed address_refused redirect_refused tls_error"
    " connection_failed too_large bad_response discovery_failed discovery_mismatch"
    " expression_too_costly pattern_unsupported",
    503: "refresh_in_progress busy system_down key_missing in_transaction internal_error"
    " opened_ahead",
    504: "timeout",
}

JARGON = re.compile(
    r"\b(tokens?|endpoints?|oauth\w*|clients?|scopes?|https?|uris?|urls?|json|tls|api|callback"
    r"|redirect\w*|parameters?|headers?|pkce|issuer|state|query|decrypt\w*|sealed|vault\w*"
    r"|transaction|requests? method|status)\b|[A-Z]+_[A-Z]+|[a-z]+_[a-z]+",
    re.IGNORECASE,
)

# Facts that choose a variant, and what they may say.
CHOICES: dict[str, list[Any]] = {
    "stage": ["callback", "exchange", "refresh", "client_credentials", "revocation", "call"],
    "cause": ["token_expired", "token_rejected", "refresh_refused", "refresh_outcome_unknown"],
    "error": ["invalid_grant", "invalid_scope", "invalid_request", "unauthorized_client", "odd"],
    "status": [301, 400, 401, 403, 404, 405, 422, 429, 500, 503, 0, -1, True, "500"],
    "retry_after": [0, 1, 45, 3600, 10**9, -5, True, "soon", None, float("inf"), float("nan")],
    "refreshable": [True, False],
    "outcome_unknown": [True, False],
    "subject": ["authorization", "client secret"],
    "hidden": [True, False],
    "timed_out": [True, False],
    "quote": ["no", "code_verifier mismatch", "redirect uri mismatch", "", None, 7],
    "field": ["oauth.client_id", "base_url", "api_key.name", "nothing", None],
    "missing_scope": [["write", "admin"], "write", [], None],
    "limit": [10, "30/m", None],
}
WORDS = "host path url target_host reason granted_scope expected received name method system"

some_facts = st.fixed_dictionaries(
    {},
    optional={name: st.sampled_from(values) for name, values in CHOICES.items()}
    | {name: st.sampled_from(["x.example", "", None, 7]) for name in WORDS.split()},
)


def every_telling() -> Iterator[tuple[str, Diagnosis]]:
    """Each code plainly, and under each single fact that may choose a variant."""
    for code in CATALOGUE:
        yield code, diagnose(code)
        for name, values in CHOICES.items():
            for value in values:
                yield f"{code} {name}={value}", diagnose(code, {name: value})
        yield code, diagnose(code, {"error": "invalid_grant", "stage": "refresh"})
        yield code, diagnose(code, {"expected": "a.example"})


def sentences(diagnosis: Diagnosis) -> list[str]:
    return [diagnosis.title, diagnosis.seen, diagnosis.cause, diagnosis.fix, diagnosis.user]


def test_every_code_of_the_list_is_there_and_no_other():
    assert sorted(CATALOGUE) == sorted(CODES.split())


def test_no_code_stands_in_two_groups():
    assert sum(len(entries) for entries in GROUPS.values()) == len(CATALOGUE)


@pytest.mark.parametrize("status", STATUS)
def test_status_follows_the_rules(status):
    assert {code for code in CATALOGUE if diagnose(code).status == status} == set(
        STATUS[status].split()
    )


def test_status_is_that_of_the_page_where_facts_say_more():
    assert diagnose("configuration_changed", {"stage": "callback"}).status == 400
    assert diagnose("decrypt_failed", {"subject": "client secret"}).status == 503
    assert diagnose("not_allowed", {"hidden": True}).status == 404
    assert diagnose("scope_refused", {"status": 400}).status == 502


@given(code=st.sampled_from(sorted(CATALOGUE)), facts=some_facts)
def test_sentences_are_whole_for_any_facts(code, facts):
    for sentence in sentences(diagnose(code, facts)):
        assert sentence
        assert not set("{}[]|") & set(sentence)
        assert "  " not in sentence
        assert not re.search(r" [.,;:)]|\(\)|: ?\.|,\.|None|\bTrue\b", sentence), sentence
    for sentence in sentences(diagnose(code, facts))[1:]:
        assert sentence[0].isupper() or sentence.startswith(("call_integration", "x.example", "7"))
        assert sentence.endswith((".", "”"))


def test_what_end_users_read_holds_no_jargon():
    for label, diagnosis in every_telling():
        found = JARGON.search(f"{diagnosis.title} {diagnosis.user}")
        assert not found, f"{label}: {found and found[0]!r} in {diagnosis.user!r}"


def test_every_field_to_look_at_is_a_bundle_key_with_words_on_the_screen():
    assert set(FIELDS) == set(BUNDLE_KEYS.split())
    for label, diagnosis in every_telling():
        assert diagnosis.look_at is None or diagnosis.look_at in FIELDS, label


def test_somebody_can_act_on_every_failure():
    known = {"end user", "designer", "admin", "developer", "the other system's owner"}
    for label, diagnosis in every_telling():
        assert diagnosis.who, label
        assert set(diagnosis.who) <= known, label


def test_titles_are_short_and_in_sentence_case():
    for label, diagnosis in every_telling():
        assert len(diagnosis.title) <= 65, label
        assert diagnosis.title[0].isupper() and not diagnosis.title.endswith("."), label


def test_an_unknown_code_is_told_as_an_internal_error_under_its_own_name():
    diagnosis = diagnose("never_heard_of", {"status": 418})
    assert diagnosis.code == "never_heard_of"
    assert diagnosis.title == diagnose("internal_error").title


def test_it_says_what_was_seen_in_the_other_systems_words():
    facts = {"host": "acme.example", "status": 404, "path": "/tokens", "quote": "No such page"}
    seen = diagnose("token_http_error", facts).seen
    for part in ("acme.example", "404", "/tokens", "the other system says: “No such page”"):
        assert part in seen


def test_what_the_other_system_says_is_never_read_as_a_template():
    facts = {"quote": "{host} [x] {{7*7}}", "host": "acme.example", "reason": "[{host}]"}
    assert "“{host} [x] {{7*7}}”" in diagnose("connection_failed", facts).seen
    assert ": [{host}]." in diagnose("connection_failed", facts).seen


def test_quotes_stay_on_one_line_and_within_500_characters():
    words = quote({"quote": "a\r\nb\x1b[31m\u202ec\x00" + "d" * 9000})
    assert words.startswith("a b [31m c d")
    assert len(words) == 500
    assert quote({}) == quote({"quote": None}) == quote({"quote": {"a": 1}}) == ""


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1, "1 second"),
        (0.4, "1 second"),
        (45, "45 seconds"),
        (300, "about 5 minutes"),
        (10**12, "about 60 minutes"),
        (0, ""),
        (-3, ""),
        ("5", ""),
        (True, ""),
        (float("nan"), ""),
        (float("inf"), ""),
    ],
)
def test_waiting_is_said_as_people_say_it(seconds, words):
    assert wait(seconds) == words


def test_B18_a_busy_token_endpoint_says_when_to_try_again():
    assert (
        "busy, try again in 45 seconds"
        in diagnose("temporarily_unavailable", {"retry_after": 45, "stage": "exchange"}).user
    )


def test_A20_a_refusal_names_its_three_causes_to_everybody():
    diagnosis = diagnose("access_denied")
    for text in (diagnosis.cause, diagnosis.user):
        assert "refused" in text
        assert "organization must approve" in text
    assert "Scope is unknown" in diagnosis.cause
    assert "permission that it does not know" in diagnosis.user


def test_A11_an_issuer_mismatch_names_both_issuers():
    seen = diagnose("issuer_mismatch", {"expected": "https://a", "received": "https://b"}).seen
    assert "https://a" in seen and "https://b" in seen


def test_A9_a_parameter_given_twice_is_said_to_everybody():
    diagnosis = diagnose("bad_callback", {"reason": "parameter given twice", "name": "code"})
    assert "parameter given twice (parameter code)" in diagnosis.seen
    assert "given twice" in diagnosis.user


def test_B10_what_was_not_granted_is_named_to_everybody():
    diagnosis = diagnose("scope_reduced", {"missing_scope": "write"})
    assert "not granted: write" in diagnosis.seen
    assert "not granted: write" in diagnosis.user


def test_B19_a_refused_redirect_names_where_it_led():
    diagnosis = diagnose("redirect_refused", {"target_host": "evil.example"})
    assert "evil.example" in diagnosis.seen
    assert "evil.example" in diagnosis.user


def test_a_missing_issuer_is_told_from_a_wrong_one():
    assert "does not say" in diagnose("issuer_mismatch", {"expected": "https://a"}).seen


def test_an_unfinished_attempt_names_its_likely_causes_in_order():
    cause = diagnose("attempt_not_finished").cause
    places = [cause.index(part) for part in ("closed", "redirect URI or the Client ID", "pop-up")]
    assert places == sorted(places)


def test_invalid_grant_at_the_exchange_names_its_causes_in_order():
    cause = diagnose("token_refused", {"error": "invalid_grant", "stage": "exchange"}).cause
    parts = ("expired", "used before", "redirect URI", "code verifier")
    places = [cause.index(part) for part in parts]
    assert places == sorted(places)


def test_the_other_systems_words_choose_the_field():
    facts = {"error": "invalid_request", "quote": "PKCE verification failed", "stage": "exchange"}
    assert diagnose("token_refused", facts).look_at == "pkce"
    facts = {"error": "invalid_request", "quote": "redirect_uri does not match"}
    assert diagnose("provider_error", facts).look_at == "redirect_uri"


def test_the_sentence_of_the_rfc_does_not_choose_the_field():
    recited = "The grant is invalid, expired, or does not match the redirection URI used before"
    facts = {"error": "invalid_grant", "quote": recited, "stage": "exchange"}
    assert "Most likely, in this order" in diagnose("token_refused", facts).cause


def test_D7_a_secret_refused_at_a_renewal_keeps_every_authorization():
    diagnosis = diagnose("client_auth_failed", {"stage": "refresh"})
    assert "All authorizations are kept" in diagnosis.cause
    assert "Your permission is kept" in diagnosis.user
    assert diagnosis.look_at == "client_secret"


def test_D8_an_authorization_lost_with_an_answer_says_so():
    user = diagnose("needs_authorization", {"cause": "refresh_outcome_unknown"}).user
    assert "lost on the way" in user


def test_E23_a_refusal_without_a_refresh_token_names_both_possibilities():
    assert (
        "or the authorization has ended" in diagnose("call_refused", {"refreshable": False}).cause
    )
    assert "has ended" not in diagnose("call_refused", {"refreshable": True}).user


def test_E20_a_write_of_unknown_outcome_is_not_offered_again():
    diagnosis = diagnose("timeout", {"outcome_unknown": True})
    assert "not known whether the other system took it" in diagnosis.user
    assert not diagnosis.retry


@pytest.mark.parametrize(
    ("stage", "field"),
    [("call", "base_url"), ("refresh", "token_endpoint"), ("revocation", "revocation_endpoint")],
)
def test_a_failure_on_the_way_points_at_the_address_that_was_asked(stage, field):
    assert diagnose("connection_failed", {"stage": stage}).look_at == field


def test_a_refused_address_points_at_the_field_it_was_written_in():
    facts = {"field": "oauth.authorization_endpoint"}
    assert diagnose("address_refused", facts).look_at == "authorization_endpoint"


def test_token_endpoint_statuses_are_told_apart():
    causes = {
        diagnose("token_http_error", {"status": status}).cause for status in (404, 405, 403, 500)
    }
    assert len(causes) == 4
    assert diagnose("token_http_error", {"status": 500}).retry
    assert not diagnose("token_http_error", {"status": 404}).retry
