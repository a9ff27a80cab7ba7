"""The tests' settings on PostgreSQL: ``pytest --ds tests.settings_postgresql``."""

from config import env
from tests.environment import POSTGRES_URL, VALUES

env.use({**VALUES, "DATABASE_URL": POSTGRES_URL})

from config.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
