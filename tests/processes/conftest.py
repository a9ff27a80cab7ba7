"""What the tests of processes share: a database of their own, callers, the site."""

from tests.processes.databases import database, db, templates, transactional_db  # noqa: F401
from tests.processes.started import caller, serve  # noqa: F401
