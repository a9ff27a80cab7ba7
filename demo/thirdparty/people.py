"""The people of Acme CRM and what they keep there: made once, the same in every demo."""

from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.auth.models import User

from demo.thirdparty.models import Contact, Note


class QuickHasher(PBKDF2PasswordHasher):
    """PBKDF2 with few rounds: the passwords below are printed on the log-in page anyway."""

    algorithm = "pbkdf2_quick"
    iterations = 1_000


# user name: (full name, password, contacts as (name, company, phone), notes)
PEOPLE: dict[str, tuple[str, str, list[tuple[str, str, str]], list[str]]] = {
    "ada": (
        "Ada Lovelace",
        "engine-1843",
        [
            ("Mina Castellan", "Harbour Lights", "+44 20 5550 0101"),
            ("Otto Brandvold", "Fjellvik Timber", "+47 5550 0102"),
            ("Priya Ramanathan", "Saffron Mills", "+91 5550 0103"),
            ("Luc Delacroix", "Atelier Neuf", "+33 5550 0104"),
            ("Tomasz Wilk", "Wilk & Daughters", "+48 5550 0105"),
            ("Hana Kobayashi", "Kobayashi Optics", "+81 5550 0106"),
            ("Elena Marchetti", "Vetro Chiaro", "+39 5550 0107"),
            ("Samuel Oyelaran", "Lagoon Freight", "+234 5550 0108"),
            ("Greta Lindqvist", "Norrsken Labs", "+46 5550 0109"),
            ("Diego Fuentes", "Sierra Alta Coffee", "+57 5550 0110"),
            ("Noor al-Masri", "Cedar Press", "+961 5550 0111"),
            ("Fiona MacAskill", "Skye Weavers", "+44 1470 5550 112"),
        ],
        ["Mina asked for the spring catalogue.", "Call Otto about the late shipment."],
    ),
    "ben": (
        "Ben Achebe",
        "harbor-2207",
        [
            ("Wanda Pereira", "Blue Door Bakery", "+351 5550 0201"),
            ("Kwame Mensah", "Volta Solar", "+233 5550 0202"),
            ("Ingrid Sauer", "Sauer Uhren", "+49 5550 0203"),
            ("Raj Malhotra", "Monsoon Textiles", "+91 5550 0204"),
            ("Chloe Tremblay", "Boreal Maps", "+1 514 555 0205"),
        ],
        ["Wanda moves her shop in May."],
    ),
}


def settle() -> None:
    """Make the people that are missing, each with their contacts and notes."""
    for username in PEOPLE:
        if not User.objects.filter(username=username).exists():
            _move_in(username)


def restore() -> None:
    """Give everybody the contacts and notes they began with."""
    Note.objects.all().delete()
    Contact.objects.all().delete()
    for user in User.objects.filter(username__in=PEOPLE):
        _unpack(user)


def _move_in(username: str) -> None:
    name, password, _, _ = PEOPLE[username]
    first, last = name.split(" ", 1)
    user = User.objects.create_user(username, password=password, first_name=first, last_name=last)
    _unpack(user)


def _unpack(user: User) -> None:
    _, _, contacts, notes = PEOPLE[user.username]
    Contact.objects.bulk_create(
        Contact(owner=user, name=name, email=_email(name), company=company, phone=phone)
        for name, company, phone in contacts
    )
    Note.objects.bulk_create(Note(owner=user, text=text) for text in notes)


def _email(name: str) -> str:
    return name.lower().replace(" ", ".") + "@example.com"
