"""The product's settings under fixed values, on SQLite in memory."""

from config import env
from tests.environment import VALUES

env.use(VALUES)

from config.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
