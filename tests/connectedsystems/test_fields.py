"""A sealed column takes and gives a Sealed, and nothing that could be a secret in the clear."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.core import serializers
from django.core.exceptions import ValidationError
from django.db import connection, models, transaction
from django.db.models import Case, F, Value, When
from django.test.utils import isolate_apps

from connectedsystems import vault
from connectedsystems.fields import SealedField

HERE = vault.place("t", "secret", 1)


@pytest.fixture(autouse=True)
def ring(settings):
    settings.VAULT_KEYS = "a:" + base64.b64encode(bytes(range(32))).decode()


@contextmanager
def refused() -> Iterator[None]:
    with pytest.raises(TypeError, match=r"vault\.seal"), transaction.atomic():
        yield


@pytest.fixture
def Row(db):
    with isolate_apps("django.contrib.contenttypes"):

        class SealedRow(models.Model):
            name = models.TextField(default="")
            secret = SealedField(null=True)

            class Meta:
                app_label = "contenttypes"
                db_table = "sealed_row"

        with connection.cursor() as cursor:
            cursor.execute(
                "CREATE TABLE sealed_row (id integer PRIMARY KEY, name text, secret text)"
            )
        yield SealedRow


def test_it_gives_back_what_was_sealed(Row):
    Row.objects.create(id=1, secret=vault.seal("sealed-word-7", HERE))
    sealed = Row.objects.get().secret
    assert isinstance(sealed, vault.Sealed)
    assert sealed.open(HERE) == "sealed-word-7"
    assert Row.objects.values_list("secret", flat=True).get() == sealed


def test_none_stays_none(Row):
    Row.objects.create(id=1)
    assert Row.objects.get(secret__isnull=True).secret is None


@pytest.mark.parametrize("value", ["sealed-word-7", "", b"sealed-word-7", 5])
def test_C1_plain_values_are_refused(Row, value):
    Row.objects.create(id=1)
    with refused():
        Row.objects.create(id=2, secret=value)
    with refused():
        Row.objects.update(secret=value)
    with refused():
        Row.objects.filter(secret=value).exists()


@pytest.mark.parametrize(
    "expression",
    [
        F("name"),
        Value("sealed-word-7"),
        Case(When(id=1, then=Value("sealed-word-7")), default=Value(None)),
    ],
)
def test_C1_expressions_cannot_carry_plain_text_in(Row, expression):
    Row.objects.create(id=1, name="sealed-word-7")
    with refused():
        Row.objects.update(secret=expression)
    assert Row.objects.get().secret is None


def test_bulk_operations_take_sealed_values(Row):
    Row.objects.bulk_create([Row(id=n, secret=vault.seal(f"t{n}", HERE)) for n in (1, 2)])
    rows = list(Row.objects.order_by("id"))
    rows[0].secret, rows[1].secret = vault.seal("changed", HERE), None
    Row.objects.bulk_update(rows, ["secret"])
    first, second = Row.objects.order_by("id")
    assert first.secret.open(HERE) == "changed"
    assert second.secret is None


def test_C6_it_can_be_compared_and_set(Row):
    old, new = vault.seal("old", HERE), vault.seal("new", HERE)
    Row.objects.create(id=1, secret=old)
    assert Row.objects.filter(secret=new).update(secret=old) == 0
    assert Row.objects.filter(secret=old).update(secret=new) == 1


def test_it_cannot_be_searched(Row):
    for lookup in ("contains", "startswith", "in", "regex", "gt"):
        with pytest.raises(TypeError, match="sealed"):
            Row.objects.filter(**{f"secret__{lookup}": "x"}).exists()


def test_C13_dumps_hold_the_sealed_text_and_load_again(Row):
    row = Row(id=1, secret=vault.seal("sealed-word-7", HERE))
    field = Row._meta.get_field("secret")
    assert field.value_to_string(row) == row.secret.stored
    assert field.to_python(row.secret.stored) == row.secret
    assert "sealed-word-7" not in serializers.serialize("json", [row])


def test_loading_and_cleaning_refuse_plain_text(Row):
    with pytest.raises(ValidationError):
        Row._meta.get_field("secret").to_python("sealed-word-7")
    with pytest.raises(ValidationError):
        Row(id=1, secret="sealed-word-7").full_clean()


def test_no_form_shows_it(Row):
    assert Row._meta.get_field("secret").formfield() is None


def test_migrations_remember_its_path():
    assert SealedField(null=True).deconstruct()[1:] == (
        "connectedsystems.fields.SealedField",
        [],
        {"null": True},
    )
