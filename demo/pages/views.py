"""Contacts that are read and a note that is written at Acme CRM, as whoever is logged in."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from integrations import call_integration


class NoteForm(forms.Form):
    """What a note needs."""

    text = forms.CharField(label="Note", max_length=2000, widget=forms.Textarea({"rows": 4}))


@login_required
def contacts(request: HttpRequest) -> HttpResponse:
    """A query: the contacts, or what has to be done first."""
    limit = request.GET.get("limit", 20)
    response = call_integration("list-contacts", request.user, limit=limit)
    return render(
        request, "pages/contacts.html", {"response": response}, status=response.http_status
    )


@login_required
def note(request: HttpRequest) -> HttpResponse:
    """A write: where an authorization is missing, the note is kept and sent after it is there."""
    form = NoteForm(request.POST or None)
    response = None
    if form.is_valid():
        response = call_integration("add-note", request.user, hold=True, **form.cleaned_data)
        if response.success:
            messages.success(request, "Acme CRM has your note.")
            return redirect("pages:note")
    status = response.http_status if response else 400 if form.errors else 200
    return render(request, "pages/note.html", {"form": form, "response": response}, status=status)
