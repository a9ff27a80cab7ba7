"""Every failure code of the catalogue, and the test that makes it happen through real HTTP."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from connectedsystems.diagnosis import CATALOGUE

TESTS = Path(__file__).parent.parent
ODD_TOKENS = "faults/test_exchange.py::test_an_odd_answer_stores_nothing"
ODD_RENEWALS = "faults/test_renewal.py::test_an_odd_answer_keeps_the_old_pair"
ODD_QUERIES = "faults/test_callbacks.py::test_an_odd_query_makes_no_token_request"
ODD_CALLS = "faults/test_calls.py::test_a_query_meets_an_odd_answer"

HAPPENS = {
    "configuration_invalid": "workbench/test_systems.py",
    "discovery_failed": "connectedsystems/test_doctor.py",
    "discovery_mismatch": "connectedsystems/test_doctor.py",
    "attempt_not_finished": "faults/test_ours.py::test_attempt_not_finished",
    "request_too_large": "config/test_sizes.py::test_G11_a_request_of_nobodys_may_hold_little",
    "state_missing": ODD_QUERIES,
    "state_missing_session": "faults/test_callbacks.py::test_A1_without_a_log_in",
    "state_unknown": ODD_QUERIES,
    "state_used": "authlinks/test_walk.py::test_A4_a_second_arrival_elsewhere_or_later_is_refused",
    "opened_ahead": "authlinks/test_walk.py::test_A4_a_prefetch_uses_nothing_up",
    "authorization_not_saved": "processes/test_fresh_tokens.py"
    "::test_G7_away_for_too_long_when_a_code_is_exchanged",
    "state_expired": "faults/test_callbacks.py::test_A5_a_state_that_is_too_old",
    "state_user_mismatch": "authlinks/test_walk.py::test_A2_the_user_switches_in_between",
    "issuer_mismatch": "faults/test_callbacks.py::test_A11_A15_another_issuer",
    "bad_callback": ODD_QUERIES,
    "code_missing": ODD_QUERIES,
    "access_denied": ODD_QUERIES,
    "scope_refused": ODD_QUERIES,
    "provider_error": ODD_QUERIES,
    "token_http_error": ODD_TOKENS,
    "token_not_json": ODD_TOKENS,
    "token_missing": ODD_TOKENS,
    "token_malformed": ODD_TOKENS,
    "token_type_unsupported": ODD_TOKENS,
    "token_refused": ODD_TOKENS,
    "client_auth_failed": ODD_TOKENS,
    "redirect_uri_mismatch": ODD_TOKENS,
    "capture_missing": "faults/test_ours.py::test_capture_missing",
    "expression_too_costly": "processes/test_bounds.py::test_G4_an_answer_at_the_callback",
    "pattern_unsupported": "processes/test_bounds.py::test_G3_a_pattern_of_before",
    "scope_reduced": "faults/test_grants.py::test_B10_what_was_not_granted_is_said",
    "refresh_token_missing": "faults/test_grants.py::test_C11_no_refresh_token_came_this_time",
    "needs_authorization": ODD_CALLS,
    "insufficient_scope": ODD_CALLS,
    "configuration_changed": "faults/test_callbacks.py::test_configuration_changed_meanwhile",
    "refresh_in_progress": "faults/test_ours.py::test_refresh_in_progress",
    "refresh_failed": ODD_RENEWALS,
    "refresh_outcome_unknown": ODD_RENEWALS,
    "temporarily_unavailable": ODD_TOKENS,
    "revocation_failed": "faults/test_ours.py::test_revocation_failed",
    "not_revoked": "faults/test_revocations.py::test_G0_not_revoked_is_said",
    "input_invalid": "faults/test_json.py::test_wrong_inputs",
    "call_refused": ODD_CALLS,
    "call_not_found": ODD_CALLS,
    "call_failed": ODD_CALLS,
    "success_rule_failed": "faults/test_ours.py::test_success_rule_failed",
    "result_rule_failed": "faults/test_ours.py::test_result_rule_failed",
    "rate_limited": ODD_CALLS,
    "system_down": "faults/test_circuit.py::test_K1_after_failures_in_a_row_nothing_is_sent",
    "address_refused": "faults/test_calls.py::test_E1_addresses_that_lead_nowhere",
    "redirect_refused": ODD_CALLS,
    "tls_error": "faults/test_calls.py::test_E1_token_endpoints_that_lead_nowhere",
    "connection_failed": ODD_CALLS,
    "timeout": ODD_CALLS,
    "busy": "processes/test_share.py::test_K1_a_slow_system_leaves_the_other_threads_free",
    "too_large": ODD_CALLS,
    "bad_response": ODD_CALLS,
    "too_many_requests": "faults/test_callbacks.py::test_G15_limits_of_setting_out_and_coming_back",
    "database_unavailable": "processes/test_fresh_tokens.py::test_G7_hung_up_on_while_nobody_asks",
    "bad_request": "config/test_pages.py::test_A27_an_unknown_host_is_refused",
    "log_in": "faults/test_json.py::test_who_is_let_in",
    "form_expired": "config/test_pages.py::test_G2_a_form_without_its_token_is_refused_with_a_way_on",
    "not_found": "config/test_pages.py::test_an_address_that_leads_nowhere_has_the_same_page",
    "not_allowed": "faults/test_ours.py::test_H8_not_allowed",
    "decrypt_failed": "faults/test_ours.py::test_C3_a_damaged_token",
    "key_missing": "faults/test_ours.py::test_C7_the_systems_own_secret_at_a_refresh",
    "popup_blocked": "journeys/test_designer.py::test_a_blocked_pop_up_is_a_link",
    "in_transaction": "faults/test_ours.py::test_a_page_that_calls_inside_a_transaction",
    "internal_error": "faults/test_ours.py::test_D9_a_store_that_breaks_while_a_pair_is_saved",
}

_PARTS = {
    ODD_TOKENS: "faults/token_answers.py",
    ODD_RENEWALS: "faults/token_answers.py",
}


@pytest.mark.parametrize("code", sorted(CATALOGUE))
def test_a_test_makes_it_happen(code: str) -> None:
    where = HAPPENS.get(code, "")
    assert where, f"no test makes {code} happen"
    file, _, name = where.partition("::")
    text = (TESTS / file).read_text()
    assert not name or re.search(rf"^def {name}\(", text, re.MULTILINE), where
    told = (TESTS / _PARTS.get(where, file)).read_text()
    assert f'"{code}"' in told or code in told, f"{where} does not name {code}"


def test_nothing_else_is_listed() -> None:
    assert set(HAPPENS) == set(CATALOGUE)
