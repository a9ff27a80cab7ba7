"""How gunicorn serves the product: threads, limits, logs; the environment is checked first."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from config import env, logs

# A wrong value ends the master with its sentence, instead of workers again and again.
_env = env.load()

wsgi_app = "config.wsgi:application"
worker_class = "gthread"
workers = _env.web_concurrency
threads = _env.web_threads
# An idle connection holds a thread no longer than this.
keepalive = 5
# The longest call is 60 s; a worker that is told to stop lets it end.
timeout = 90
graceful_timeout = 75
# Long enough for a callback with a long code and state.
limit_request_line = 8190
limit_request_fields = 100
limit_request_field_size = 8190

# X-Forwarded-* is Django's to honour, by TRUSTED_PROXY alone: gunicorn trusts its own machine.
forwarded_allow_ips = ""
secure_scheme_headers: dict[str, str] = {}

# config.middleware.RequestLog writes the line of every request, without its query.
accesslog = None
control_socket_disable = True
errorlog = "-"
loglevel = _env.log_level.lower()
logconfig_dict = logs.as_dict(_env.log_level)
