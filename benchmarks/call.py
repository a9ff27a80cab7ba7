"""`python -m benchmarks.call`: call_integration beside the same request by a bare requests.Session.

All three take turns, request by request, in one process, against a server in another one. Warm:
connections are open, the integration has been called before, the token is good.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

from benchmarks import place

PROMISED = {"sqlite": 1.10, "postgresql": 1.25}
PRODUCT, DEFAULT, BARE = "call_integration", "requests.Session()", "the same, trust_env=False"


def main(asked: argparse.Namespace) -> None:
    with place.new_database(asked), place.other_system() as url:
        alice = place.connected_user(url)
        ways = _ways(url, alice)
        _taking_turns(ways, 50)
        seconds = _taking_turns(ways, 300 if asked.quick else 3000)
    _print(asked.on, seconds)


def _ways(url: str, alice: object) -> dict[str, Callable[[], object]]:
    import requests

    from integrations import call_integration

    headers = {"Authorization": f"Bearer {place.TOKEN}", "Accept": "application/json"}

    def by_product() -> object:
        answer = call_integration("list-contacts", alice, limit=place.LIMIT)
        assert answer.result is not None
        return answer.result.data

    def by(session: requests.Session) -> Callable[[], object]:
        def ask() -> object:
            answer = session.get(
                f"{url}/api/contacts", params={"limit": place.LIMIT}, headers=headers, timeout=30
            )
            answer.raise_for_status()
            return answer.json()

        return ask

    bare = requests.Session()
    bare.trust_env = False
    return {PRODUCT: by_product, DEFAULT: by(requests.Session()), BARE: by(bare)}


def _taking_turns(ways: dict[str, Callable[[], object]], times: int) -> dict[str, list[float]]:
    """Seconds of each request, by way; who goes first changes."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    names = list(ways)
    for turn in range(times):
        for name in names[turn % 3 :] + names[: turn % 3]:
            began = time.perf_counter()
            answer = ways[name]()
            seconds[name].append(time.perf_counter() - began)
            assert answer
    return seconds


def _print(vendor: str, seconds: dict[str, list[float]]) -> None:
    print(f"\n{vendor}: {len(seconds[PRODUCT])} requests each, microseconds")
    p50 = {name: statistics.median(each) for name, each in seconds.items()}
    p95 = {name: statistics.quantiles(each, n=20)[18] for name, each in seconds.items()}
    for name in seconds:
        print(f"  {name:<28} p50 {p50[name] * 1e6:7.0f}   p95 {p95[name] * 1e6:7.0f}")
    for name in (DEFAULT, BARE):
        print(
            f"  ratio to {name:<28} p50 {p50[PRODUCT] / p50[name]:.2f}"
            f"   p95 {p95[PRODUCT] / p95[name]:.2f}"
        )
    print(f"  promised at p50: {PROMISED[vendor]:.2f}")


if __name__ == "__main__":
    place.each_database("benchmarks.call", __doc__ or "", main)
