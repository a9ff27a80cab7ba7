"""What people keep in Acme CRM."""

from typing import Any

from django.conf import settings
from django.db import models


class Contact(models.Model):
    """Somebody that a user does business with."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="contacts")
    name = models.CharField(max_length=200)
    email = models.EmailField(blank=True)
    phone = models.CharField(max_length=40, blank=True)
    company = models.CharField(max_length=200, blank=True)
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return self.name

    def as_json(self) -> dict[str, Any]:
        """The contact as the API tells it."""
        return {
            "id": self.pk,
            "name": self.name,
            "email": self.email,
            "phone": self.phone,
            "company": self.company,
            "created": self.created.isoformat(),
        }


class Note(models.Model):
    """A line a user wrote, about a contact or about nobody."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="notes")
    contact = models.ForeignKey(Contact, models.CASCADE, null=True, related_name="notes")
    text = models.TextField(max_length=2_000)
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return self.text[:60]

    def as_json(self) -> dict[str, Any]:
        """The note as the API tells it; `contact` is a contact's id or null."""
        return {
            "id": self.pk,
            "text": self.text,
            "contact": self.contact_id,
            "created": self.created.isoformat(),
        }
