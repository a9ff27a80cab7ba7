"""Keeps standing authorizations valid while the fingerprint is made of other settings.

The revocation endpoint leaves the fingerprint, and the expressions of captured values that stand
in a host join it. This module holds its own copy of both, so that it does the same in every later
version. An authorization whose stored hash is its system's old one gets the new one. All others
were ended by a change of settings before, and stay ended.

Apply it with all processes of the earlier version stopped: they would compare with the old hash.
"""

import hashlib
import json
import re

from django.db import migrations, models

_TOKEN = re.compile(r"\{\{|\}\}|\{([A-Za-z_][A-Za-z0-9_]*)\}|[{}]")
_AUTHORITY = re.compile(r"(?:[^/?#]*//)?[^/?#]*")
_BEHIND_AUTHORITY = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*[/?#]")


def _pieces(text):
    position = 0
    for found in _TOKEN.finditer(text):
        if found.start() > position:
            yield text[position : found.start()], None
        position = found.end()
        yield ("", found[1]) if found[1] is not None else (found[0][0], None)
    if position < len(text):
        yield text[position:], None


def _in_host(text):
    found = {name for _, name in _pieces(_AUTHORITY.match(text)[0]) if name is not None}
    url = ""
    for literal, name in _pieces(text):
        if name is not None and not _BEHIND_AUTHORITY.match(url):
            found.add(name)
        url += literal if name is None else ("x" if url else "https://x")
    return found


def _variables(written):
    values = {}
    for name, value in (written or {}).items():
        if isinstance(value, dict):
            value = "" if value.get("secret") is True else value.get("value")
        if value not in (None, ""):
            values[name] = value
    return values


def _settings(configuration):
    oauth = {k: v for k, v in (configuration.get("oauth") or {}).items() if v is not None}
    found = (configuration.get("discovered") or {}).get("settings") or {}
    return {**oauth, **{key: value for key, value in found.items() if not oauth.get(key)}}


def _origin(url):
    found = re.match(r"(?i)(https?)://([^/?#]*)", url)
    if not found:
        return re.split(r"[/?#]", url, maxsplit=1)[0]
    scheme, authority = found[1].lower(), found[2]
    if "{" not in authority:
        authority = authority.lower()
    return f"{scheme}://{authority.removesuffix({'https': ':443', 'http': ':80'}[scheme])}"


def _deciding(oauth, base_url):
    second = oauth.get("second_exchange") or {}
    following = oauth.get("after_authorization") or {}
    endpoints = ("authorization_endpoint", "token_endpoint", "refresh_endpoint")
    urls = [base_url, *(oauth.get(key) for key in endpoints)]
    urls += [second.get("endpoint"), following.get("url")]
    wanted = {name for url in urls if url for name in _in_host(url)}
    captures = oauth.get("captures") or {}
    boxes = {
        "token": captures.get("token"),
        "callback": captures.get("callback"),
        "second_exchange": second.get("captures"),
        "after_authorization": following.get("captures"),
    }
    found = [
        [where, name, str(expression)]
        for where, box in boxes.items()
        for name, expression in (box or {}).items()
        if name in wanted
    ]
    choose = following.get("choose") or {}
    if choose and any(where == "after_authorization" for where, *_ in found):
        found.append(["choose", "list", str(choose.get("list"))])
    return sorted(found)


def fingerprint(base_url, configuration, *, old):
    """The hash of what an authorization was obtained under, as it was, or as it is now."""
    oauth, values = _settings(configuration), _variables(configuration.get("variables"))

    def filled(text):
        if not text:
            return ""
        return "".join(
            literal if name is None else str(values.get(name, f"{{{name}}}"))
            for literal, name in _pieces(text)
        )

    following = oauth.get("after_authorization") or {}
    members = [
        oauth.get("authorization_endpoint"),
        oauth.get("token_endpoint"),
        *([oauth.get("revocation_endpoint")] if old else []),
        oauth.get("refresh_endpoint"),
        (oauth.get("second_exchange") or {}).get("endpoint"),
        following.get("url") or following.get("path"),
    ]
    parts = [
        *(filled(text) for text in members),
        oauth.get("client_id"),
        _origin(filled(base_url)),
        *([] if old else _deciding(oauth, base_url)),
    ]
    text = json.dumps([part or "" for part in parts], ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _replace(apps, *, back):
    System = apps.get_model("connectedsystems", "ConnectedSystem")
    Authorization = apps.get_model("authlinks", "Authorization")
    kept = 0
    for system in System.objects.only("base_url", "configuration").iterator():
        before, after = (
            fingerprint(system.base_url, system.configuration, old=old) for old in (not back, back)
        )
        rows = Authorization.objects.filter(system_id=system.pk, fingerprint=before)
        kept += rows.update(fingerprint=after)
    if kept:
        print(
            f"\n    {kept} authorizations count under the new fingerprint. Every process of the"
            " earlier version has to be stopped: it would take them for ended."
        )
    # Whoever is at another system just now comes back to other rules: they start again.
    Attempt = apps.get_model("authlinks", "AuthorizationAttempt")
    Attempt.objects.filter(outcome="open").update(
        outcome="failed", code="configuration_changed", verifier=None, claimed=True
    )


def forwards(apps, schema_editor):
    _replace(apps, back=False)


def backwards(apps, schema_editor):
    _replace(apps, back=True)


class Migration(migrations.Migration):
    dependencies = [
        ("authlinks", "0003_timeline"),
        ("connectedsystems", "0003_circuit"),
    ]

    operations = [
        migrations.AddField(
            model_name="authorization",
            name="origins",
            field=models.JSONField(blank=True, default=dict, editable=False),
        ),
        migrations.RunPython(forwards, backwards, elidable=False),
    ]
