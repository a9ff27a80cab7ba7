"""SealedField: a column of sealed text, which takes and gives nothing but a Sealed.

A Django field cannot know its row, so it seals and opens nothing: that is done by whoever knows
the place. Migrations remember this path, so the class never moves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.expressions import Case, Value
from django.db.models.functions import Cast

from connectedsystems.vault import Sealed

_LOOKUPS = frozenset({"exact", "isnull"})


class SealedField(models.TextField):
    """Holds a :class:`~connectedsystems.vault.Sealed` or None.

    Anything else raises TypeError when saved, in ``update()`` and in ``filter()``. It can be
    compared with a Sealed (for compare-and-set) and asked for null; no other lookup exists.
    ``dumpdata`` writes the sealed text, ``loaddata`` reads it. No form shows it.
    """

    if TYPE_CHECKING:
        _pyi_private_set_type: Sealed  # type: ignore[assignment]
        _pyi_private_get_type: Sealed  # type: ignore[assignment]

    description = "Sealed text"
    empty_strings_allowed = False

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> Sealed | None:
        return None if value is None else Sealed.from_stored(value)

    def get_prep_value(self, value: Any) -> str | None:
        if value is None:
            return None
        if isinstance(value, Sealed):
            return value.stored
        raise self._refusal(type(value).__name__)

    def to_python(self, value: Any) -> Sealed | None:
        """For ``loaddata`` and ``full_clean``: only what has the form of a sealed text."""
        if value is None or isinstance(value, Sealed):
            return value
        if isinstance(value, str) and (sealed := Sealed.from_stored(value)).well_formed:
            return sealed
        raise ValidationError("This is not a sealed text.", code="invalid")

    def value_to_string(self, obj: models.Model) -> str:
        value = self.value_from_object(obj)
        return "" if value is None else self.get_prep_value(value) or ""

    def get_lookup(self, lookup_name: str) -> Any:
        if lookup_name in _LOOKUPS:
            return super().get_lookup(lookup_name)
        raise TypeError(f"{self.name} is sealed: it cannot be searched by {lookup_name}.")

    def get_placeholder(self, value: Any, compiler: Any, connection: Any) -> str:
        """Django asks here for each assigned value: the one place to refuse an expression."""
        if hasattr(value, "resolve_expression"):
            self._check_expression(value)
        return "%s"

    def formfield(self, **kwargs: Any) -> None:
        return None

    def _check_expression(self, expression: Any) -> None:
        if isinstance(expression, Case):  # what bulk_update() builds
            for result in [*(case.result for case in expression.cases), expression.default]:
                self._check_expression(result)
        elif isinstance(expression, Cast):
            self._check_expression(expression.get_source_expressions()[0])
        elif not isinstance(expression, Value):
            raise self._refusal(type(expression).__name__)
        elif expression.value is not None and not isinstance(expression.value, Sealed):
            raise self._refusal(type(expression.value).__name__)

    def _refusal(self, given: str) -> TypeError:
        return TypeError(
            f"{self.name} takes a Sealed or None, not {given}: call vault.seal(text, place) first."
        )
