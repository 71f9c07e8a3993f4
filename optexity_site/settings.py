"""Django settings: flat constants, each with its unit and reason. What an operator may change is read from
the environment through `env.py` and documented in docs/settings.md."""

import os
import secrets
import sys
from pathlib import Path
from typing import Any

import django_stubs_ext
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from executor.upstream_proxy import read_upstream
from inference.egress.policy import read_allowed_host, read_port
from optexity_site import embedded_db, log
from optexity_site.browser_settings import (
    read_channel,
    read_check_page,
    read_locale,
    read_time_zone,
    read_viewport,
)
from optexity_site.encryption_key import read_encryption_key
from optexity_site.env import SettingError, env_bool, env_choice, env_int, env_list, env_str
from optexity_site.origins import read_origin
from optexity_site.trace_settings import REQUIREMENTS, is_installed, read_collector, read_headers
from optexity_site.unfold_settings import unfold_settings
from optexity_site.version import read_version

django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent
VERSION = read_version(BASE_DIR / "CHANGELOG.md")

# --- Where things are kept -----------------------------------------------------------------------------------

DATA_DIR = Path(
    env_str(
        "DATA_DIR",
        default=str(BASE_DIR / "var"),
        shown="`var/` beside manage.py",
        help="Folder for everything that the server writes: database, artifacts, logs, keys.",
    )
).resolve()

DATABASE_URL = env_str(
    "DATABASE_URL",
    default="",
    help="`postgresql://user:password@host:port/name`. Not set: an embedded PostgreSQL in DATA_DIR/postgres.",
)


def _make_data_dir() -> None:
    try:
        DATA_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingError(
            f"The folder DATA_DIR={DATA_DIR} cannot be made ({error.strerror}): set DATA_DIR to a folder "
            "that this user may write."
        ) from error


def _read_or_make_secret(name: str) -> str:
    """The secret in the file DATA_DIR/name (mode 600); made once, also when two processes start at the same time."""
    file = DATA_DIR / name
    if not file.exists():
        draft = DATA_DIR / f"{name}.{os.getpid()}"
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(64))
        try:
            os.link(draft, file)
        except FileExistsError:
            pass  # another process was faster; its secret holds
        finally:
            draft.unlink()
    return file.read_text().strip()


def _database() -> dict[str, Any]:
    if not DATABASE_URL:
        return {"ENGINE": "django.db.backends.postgresql", **embedded_db.connection_parameters(DATA_DIR)}
    scheme = DATABASE_URL.partition(":")[0]
    if scheme not in ("postgres", "postgresql"):
        raise SettingError(
            f"DATABASE_URL begins with '{scheme}:', and only PostgreSQL is supported (the queue needs SKIP LOCKED "
            "and LISTEN/NOTIFY): use postgresql://user:password@host:port/name, or unset it for the embedded one."
        )
    try:
        parts = dict(conninfo_to_dict(DATABASE_URL))
    except ProgrammingError as error:
        raise SettingError(
            "DATABASE_URL cannot be read; write it as postgresql://user:password@host:port/name, with special "
            "characters percent-encoded."
        ) from error
    if not parts.get("dbname"):
        raise SettingError("DATABASE_URL names no database; write it as postgresql://user:password@host:port/name.")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.pop("dbname"),
        "USER": parts.pop("user", ""),
        "PASSWORD": parts.pop("password", ""),
        "HOST": parts.pop("host", ""),
        "PORT": parts.pop("port", ""),
        "OPTIONS": parts,
    }


_make_data_dir()
SECRET_KEY = env_str(
    "SECRET_KEY",
    default="",
    shown="made once in DATA_DIR/secret_key",
    help="Signs sessions, links and background packages. Set the same value on every host.",
) or _read_or_make_secret("secret_key")
# The first one encrypts, each of them decrypts: a new one goes in front of the old, which is left out later.
ENCRYPTION_KEYS = env_list(
    "ENCRYPTION_KEYS",
    default=[],
    shown="made once in DATA_DIR/encryption_key",
    help="Encrypt what is kept for logins: random texts of at least 32 characters (`openssl rand -hex 32`), the newest "
    "first. Set the same ones on every host.",
    check=read_encryption_key,
) or [_read_or_make_secret("encryption_key")]

# --- Django --------------------------------------------------------------------------------------------------

DEBUG = env_bool("DEBUG", default=False, help="Django's debug pages; never on a server that others can reach.")
ALLOWED_HOSTS = env_list(
    "ALLOWED_HOSTS",
    default=["localhost", "127.0.0.1", "[::1]"],
    help="Host names under which the server may be called.",
)
CSRF_TRUSTED_ORIGINS = env_list(
    "CSRF_TRUSTED_ORIGINS",
    default=[],
    help="Origins (`https://host`) from which the admin's forms may be sent, behind a proxy that ends TLS.",
)
SITE_NAME = env_str("SITE_NAME", default="Inference", help="Name at the top of the dashboard.")
SITE_SUBTITLE = env_str("SITE_SUBTITLE", default="Browser automations", help="Line under the name, e.g. the team.")
SITE_ENVIRONMENT = env_str("SITE_ENVIRONMENT", default="", help="Badge in the dashboard's header, e.g. `Production`.")
UNFOLD = unfold_settings(name=SITE_NAME, subtitle=SITE_SUBTITLE)

INSTALLED_APPS = [
    "unfold",
    # Without autodiscovery: urls.py does it, so that only what answers requests loads the dashboard's code. A
    # cluster that is started again takes its next task a second sooner.
    "django.contrib.admin.apps.SimpleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "inference",
    "executor",  # before django_q: its `qcluster` command replaces the stock one
    "django_q",
    *env_list(
        "EXTRA_APPS",
        default=[],
        help="Django apps of your own, as Python modules that can be imported; docs/private-nodes.md says what for.",
    ),
]

MIDDLEWARE = [
    "inference.middleware.RequestIdMiddleware",
    "inference.middleware.CompressJsonMiddleware",
    "inference.middleware.JsonErrorsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

CORS_ALLOWED_ORIGINS = env_list(
    "CORS_ALLOWED_ORIGINS",
    default=[],
    help="Origins (`https://host`, exactly) of pages elsewhere that may call the API, with a key in a header: cookies "
    "are never taken. Not set: none.",
    check=read_origin,
)
if CORS_ALLOWED_ORIGINS:
    INSTALLED_APPS.append("corsheaders")
    # Before all others: errors are for those pages, too.
    MIDDLEWARE.insert(0, "corsheaders.middleware.CorsMiddleware")
CORS_URLS_REGEX = r"^/(inference|api/|health|is_task_running)"
CORS_ALLOW_METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE"]
CORS_ALLOW_HEADERS = [
    *("authorization", "content-type", "idempotency-key", "last-event-id", "prefer"),
    *("traceparent", "x-api-key", "x-request-id"),
]
CORS_EXPOSE_HEADERS = [
    *("Allow", "Link", "Location", "Preference-Applied", "Retry-After", "WWW-Authenticate"),
    *("X-Next-Cursor", "X-Request-ID", "X-Resume-Cursor"),
]
CORS_ALLOW_CREDENTIALS = False

ROOT_URLCONF = "optexity_site.urls"
WSGI_APPLICATION = "optexity_site.wsgi.application"
APPEND_SLASH = True
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# True in a web process (set by `serve` and the container): requests come in threads and share a pool of
# connections. Workers fork, and a pool's threads do not survive a fork, so they keep plain connections.
IS_WEB_PROCESS = os.environ.get("OPTEXITY_WEB_PROCESS") == "1"
DATABASE_POOL_SIZE = env_int(
    "DATABASE_POOL_SIZE",
    default=16,
    minimum=2,
    maximum=500,
    help="Connections that one web process may hold.",
)
_default_database = _database()
if IS_WEB_PROCESS:
    _default_database.setdefault("OPTIONS", {})["pool"] = {
        "min_size": 1,
        "max_size": DATABASE_POOL_SIZE,
        "timeout": 5,  # seconds until a request without a connection is answered 503
        # After so many seconds a try to connect starts afresh. Its pauses double, so a longer one would sleep on
        # for minutes when a database that was away for minutes is back.
        "reconnect_timeout": 5,
    }
else:
    _default_database["CONN_MAX_AGE"] = None
# A connection that died while it lay idle is replaced before a request gets it.
_default_database["CONN_HEALTH_CHECKS"] = True
# A host that is gone or unreachable sends no error: without these, a query waits for hours.
for _name, _value in {
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,  # ms
}.items():
    _default_database.setdefault("OPTIONS", {}).setdefault(_name, _value)
DATABASES = {"default": _default_database}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "admin:login"
SESSION_COOKIE_HTTPONLY = True
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"
HTTPS_ONLY = env_bool(
    "HTTPS_ONLY", default=False, help="Send the session and CSRF cookies over HTTPS only; set it behind TLS."
)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS_ONLY
# A stored login of the admin for this server's own tabs; other services on the same host use other names.
SESSION_COOKIE_NAME = "optexity_session"
CSRF_COOKIE_NAME = "optexity_csrf"

LANGUAGE_CODE = "en-us"
TIME_ZONE = env_str("TIME_ZONE", default="UTC", help="Time zone of the dashboard; the API always answers UTC.")
USE_I18N = False
USE_TZ = True
STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
# Served from the apps' own folders: nothing has to be collected before the first start.
WHITENOISE_USE_FINDERS = True

ARTIFACT_DIR = DATA_DIR / "artifacts"
STORAGES = {
    "default": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        # No MEDIA_URL: bytes leave only through views that check who asks.
        "OPTIONS": {"location": ARTIFACT_DIR, "base_url": None, "file_permissions_mode": 0o600},
    },
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o700

# --- The HTTP API --------------------------------------------------------------------------------------------

# Bytes of one POST /inference; the contract's limit, answered with 413.
INFERENCE_BODY_MAX_BYTES = 1024 * 1024
# Bytes of one file of POST /api/v1/files; the contract's limit, answered with 413.
UPLOAD_MAX_BYTES = 50 * 1024 * 1024
UPLOAD_HOURS = env_int(
    "UPLOAD_HOURS",
    default=24,
    minimum=1,
    maximum=24 * 365,
    help="Hours that an uploaded file waits for a task that uses it. One that a task uses is kept with it.",
)
# Uploads in the admin (an automation's JSON) may be larger than a submission.
DATA_UPLOAD_MAX_MEMORY_SIZE = 16 * 1024 * 1024
ALLOW_ANONYMOUS_LOCAL = env_bool(
    "ALLOW_ANONYMOUS_LOCAL",
    default=False,
    help="Let programs on this machine call POST /inference without a key (loopback peers, nothing forwarded).",
)
ACCEPT_SCALAR_PARAMETERS = env_bool(
    "ACCEPT_SCALAR_PARAMETERS",
    default=False,
    help="Take numbers and booleans in the lists of input_parameters, as some existing clients send them.",
)
IDEMPOTENCY_DAYS = env_int(
    "IDEMPOTENCY_DAYS", default=90, minimum=1, help="Days for which an idempotency key keeps its answer."
)
QUEUE_LIMIT_PER_KEY = env_int(
    "QUEUE_LIMIT_PER_KEY",
    default=0,
    minimum=0,
    help="Tasks of one API key that may wait; more are refused with 429. Callers without a key count as one. 0: no "
    "limit. A key's own limit, set in the dashboard, wins.",
)
QUEUE_LIMIT_PER_AUTOMATION = env_int(
    "QUEUE_LIMIT_PER_AUTOMATION",
    default=0,
    minimum=0,
    help="Tasks of one automation that may wait; more are refused with 429. 0: no limit. An automation's own wins.",
)
RATE_LIMIT_PER_KEY = env_int(
    "RATE_LIMIT_PER_KEY",
    default=0,
    minimum=0,
    help="Requests a second of one API key that a web process answers, in the long run; more are refused with 429. "
    "Callers without a key are counted by their address. 0: no limit.",
)
RATE_LIMIT_BURST = env_int(
    "RATE_LIMIT_BURST",
    default=50,
    minimum=1,
    help="Requests of one API key that may come at once, after a pause, before RATE_LIMIT_PER_KEY holds.",
)
FAILED_KEYS_PER_MINUTE = env_int(
    "FAILED_KEYS_PER_MINUTE",
    default=60,
    minimum=1,
    help="Requests a minute with a key that cannot be used, of one address, that are answered 401; more get 429. A "
    "right key from the same address is answered all the same.",
)
MAX_WAITERS = env_int(
    "MAX_WAITERS",
    default=32,
    minimum=1,
    help="Requests of one web process that may wait for a task (`?wait=`, `Prefer: wait`); more get 503.",
)
WEB_THREADS = env_int(
    "WEB_THREADS",
    default=48,
    minimum=2,
    help="Requests that one web process works on at the same time; the others stand in line. Keep it above "
    "MAX_WAITERS, so that waiting never starves plain requests.",
)
MAX_EVENT_STREAMS = env_int(
    "MAX_EVENT_STREAMS",
    default=500,
    minimum=0,
    maximum=10_000,
    help="Event streams that one web process keeps open, each in a thread of its own beside WEB_THREADS; more get 503.",
)
if WEB_THREADS <= MAX_WAITERS:
    raise SettingError(
        f"WEB_THREADS={WEB_THREADS} must be above MAX_WAITERS={MAX_WAITERS}, or waiting requests would starve "
        "plain ones: raise the first or lower the second."
    )

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["inference.authentication.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["inference.permissions.HasScope"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["inference.parsers.LimitedJSONParser"],
    "EXCEPTION_HANDLER": "inference.error_handler.answer_error",
    "UNAUTHENTICATED_USER": None,
    "STRICT_JSON": True,
    "DEFAULT_SCHEMA_CLASS": "inference.openapi.schema.ApiSchema",
}
SPECTACULAR_SETTINGS = {
    "OAS_VERSION": "3.1.0",
    "TITLE": "Inference server",
    "VERSION": VERSION,
    "LICENSE": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    # The hook adds what is written by hand: components, tags, the description.
    "POSTPROCESSING_HOOKS": ["inference.openapi.schema.add_components"],
    "GET_MOCK_REQUEST": "inference.openapi.schema.no_request",
    # As in urls.py, and in the order of the fields.
    "SORT_OPERATIONS": False,
    "SORT_OPERATION_PARAMETERS": False,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "ENABLE_DJANGO_DEPLOY_CHECK": False,
}

# --- Queue and workers ---------------------------------------------------------------------------------------

WORKERS = env_int("WORKERS", default=2, minimum=1, maximum=200, help="Browser workers (tasks at a time) of one host.")
# A heartbeat can be late when Chromium takes the CPU; several missed in a row mean that the process is gone.
WORKER_HEARTBEAT_SECONDS = env_int(
    "WORKER_HEARTBEAT_SECONDS", default=5, minimum=1, help="Seconds between two renewals of a task's lease."
)
WORKER_LEASE_SECONDS = env_int(
    "WORKER_LEASE_SECONDS",
    default=20,
    minimum=6,
    help="Seconds without a heartbeat after which a worker counts as lost. At least three heartbeats.",
)
if WORKER_LEASE_SECONDS < 3 * WORKER_HEARTBEAT_SECONDS:
    raise SettingError(
        f"WORKER_LEASE_SECONDS={WORKER_LEASE_SECONDS} must be at least three times "
        f"WORKER_HEARTBEAT_SECONDS={WORKER_HEARTBEAT_SECONDS}: raise the first or lower the second."
    )
# A context with a page of a large portal takes some 200 MiB; without that, Chromium's pages crash one after the other.
WORKER_MIN_FREE_MEMORY_MB = env_int(
    "WORKER_MIN_FREE_MEMORY_MB",
    default=256,
    minimum=0,
    help="Free memory (MiB, of the host or of the container's limit) below which a worker takes no task. 0: not looked "
    "at.",
)
# Pictures and a trace take some 10 MiB, a browser's profile some 50; the rest is for downloads.
WORKER_MIN_FREE_DISK_MB = env_int(
    "WORKER_MIN_FREE_DISK_MB",
    default=256,
    minimum=0,
    help="Free disk (MiB, for the artifacts and for temporary files) below which a worker takes no task. 0: not looked "
    "at.",
)
SHUTDOWN_GRACE_SECONDS = env_int(
    "SHUTDOWN_GRACE_SECONDS",
    default=8,
    minimum=0,
    help="Seconds that running tasks get to finish when the server is stopped.",
)
HUMAN_IN_LOOP = env_bool(
    "HUMAN_IN_LOOP",
    default=True,
    help="People answer tasks that ask for one (`human_in_loop_action`), in the dashboard or by the API. Off: such a "
    "task fails at once instead of waiting.",
)
MAX_TAKEOVER_MINUTES = env_int(
    "MAX_TAKEOVER_MINUTES",
    default=30,
    minimum=0,
    maximum=240,
    help="Minutes of waiting for a person that are not counted against a task's time limit, in one attempt.",
)
LOGIN_SESSION_HOURS = env_int(
    "LOGIN_SESSION_HOURS",
    default=24,
    minimum=1,
    maximum=24 * 365,
    help="Hours for which the browser session of a login is kept after its last dedicated task.",
)
# Cookies and local storage take some kilobytes; an application that keeps its data in the browser can take far more.
LOGIN_SESSION_MAX_MB = env_int(
    "LOGIN_SESSION_MAX_MB",
    default=8,
    minimum=1,
    maximum=64,
    help="Largest browser session (MiB, before compression) that is kept for a login.",
)
# The longest that a task may be allowed to run (max_timeout_in_minutes), the backstop of django-q2 above it.
MAX_TIMEOUT_MINUTES = 240
_DJANGO_Q_BACKSTOP_SECONDS = (MAX_TIMEOUT_MINUTES + MAX_TAKEOVER_MINUTES) * 60 + 60

# The background cluster: schedules, deliveries, housekeeping. `browser` runs tasks: its broker only wakes
# workers, which claim from the task table themselves.
Q_CLUSTER = {
    "name": "background",
    "orm": "default",
    "broker_class": "executor.broker.BackgroundBroker",
    "workers": 2,
    "timeout": 600,
    "retry": 660,
    "max_attempts": 3,
    "poll": 0.5,
    "save_limit": 250,
    "catch_up": False,
    "label": "Background work",
    "ALT_CLUSTERS": {
        "browser": {
            "broker_class": "executor.broker.WakeBroker",
            "workers": WORKERS,
            "scheduler": False,
            "timeout": _DJANGO_Q_BACKSTOP_SECONDS,
            "retry": _DJANGO_Q_BACKSTOP_SECONDS + 60,
            # A worker that ran this many tasks is replaced, whatever leaks in it.
            "recycle": 500,
            "save_limit": -1,
            # Playwright's driver and Chromium are children of the worker.
            "daemonize_workers": True,
        }
    },
}

# --- Browser and runner --------------------------------------------------------------------------------------

BROWSER_EXECUTABLE = env_str(
    "BROWSER_EXECUTABLE",
    default="",
    shown="found: Playwright's own, then chromium, google-chrome on PATH",
    help="Path of the Chromium or Chrome to use.",
)
BROWSER_MAX_TASKS = env_int(
    "BROWSER_MAX_TASKS", default=200, minimum=1, help="Tasks after which a worker starts a fresh browser."
)
BROWSER_MAX_MEMORY_MB = env_int(
    "BROWSER_MAX_MEMORY_MB",
    default=2048,
    minimum=256,
    help="Memory (PSS of all its processes, MiB) above which a worker starts a fresh browser between two tasks.",
)
# Channel -> program or DevTools address.
BROWSER_CHANNELS = dict(
    read_channel(each)
    for each in env_list(
        "BROWSER_CHANNELS",
        default=[],
        help="Browsers for a document's `browser_channel`, as `name=target`: the path of a Chromium-based program, or "
        "the address of a running one's DevTools (`ws://…`, `http://…`). Not set: chromium and chrome are the "
        "installed browser, cloakbrowser, browser-use and rdp fail at once. What a browser behind an address connects "
        "to is not checked by this server.",
        check=read_channel,
    )
)
BROWSER_VIEWPORT = read_viewport(
    env_str(
        "BROWSER_VIEWPORT",
        default="1280x800",
        help="Size of pages and of their pictures, in pixels.",
        check=read_viewport,
    )
)
BROWSER_LOCALE = env_str(
    "BROWSER_LOCALE",
    default="",
    shown="the browser's own, en-US",
    help="Language that pages are asked for and written in, such as `de-DE`.",
    check=read_locale,
)
BROWSER_TIMEZONE = env_str(
    "BROWSER_TIMEZONE",
    default="",
    shown="the machine's own",
    help="Time zone that pages see, such as `Europe/Berlin`.",
    check=read_time_zone,
)
HIDE_COOKIE_BANNERS = env_bool(
    "HIDE_COOKIE_BANNERS",
    default=False,
    help="Hide well-known consent banners on pages of documents with `allow_cookies: false`, which is the default. "
    "Nothing is accepted or declined.",
)
BROWSER_PROXY = env_str(
    "BROWSER_PROXY",
    default="",
    help="Proxy of tasks with `use_proxy`: `http://user:password@host:port` or `socks5://…`. Not set: such tasks are "
    "refused.",
    check=read_upstream,
)
PROXY_CHECK_URL = env_str(
    "PROXY_CHECK_URL",
    default="",
    help="Page that is opened first by tasks with `use_proxy`; what it says becomes the output item `ip_info`.",
    check=read_check_page,
)
HONOUR_EXPLICIT_SLEEPS = env_bool(
    "HONOUR_EXPLICIT_SLEEPS",
    default=True,
    help="Keep sleeps that a document states explicitly to the letter; false: they are bounds for settling.",
)
STRICT_NAVIGATION = env_bool(
    "STRICT_NAVIGATION",
    default=False,
    help="Fail a navigation also on a time-out and on HTTP 4xx and 5xx, instead of a warning.",
)
ALLOW_SCRIPTS = env_bool(
    "ALLOW_SCRIPTS",
    default=False,
    help="Run the Python scripts of automations that an administrator has marked as trusted, confined as "
    "docs/scripts.md says.",
)
UPLOAD_ROOTS = [
    Path(each).resolve()
    for each in env_list("UPLOAD_ROOTS", default=[], help="Folders from which `upload_file` may take a `file_path`.")
]
DOWNLOAD_TIMEOUT_SECONDS = env_int(
    "DOWNLOAD_TIMEOUT_SECONDS",
    default=200,
    minimum=1,
    help="Seconds to wait for an expected download whose action names no time of its own.",
)
ARTIFACT_MAX_MB = env_int(
    "ARTIFACT_MAX_MB",
    default=512,
    minimum=1,
    help="Largest file (MiB) that a task may keep, e.g. a download.",
)

# --- What may be connected to (docs/egress.md) ---------------------------------------------------------------

ALLOWED_PRIVATE_HOSTS = env_list(
    "ALLOWED_PRIVATE_HOSTS",
    default=[],
    help="Private and loopback hosts that the server itself may fetch from (API calls, files by URL, callbacks): "
    "names, addresses or networks, each with or without `:port`.",
    check=read_allowed_host,
)
BROWSER_ALLOWED_PRIVATE_HOSTS = env_list(
    "BROWSER_ALLOWED_PRIVATE_HOSTS",
    default=[],
    help="Private and loopback hosts that pages in the browser may be opened from, written in the same way.",
    check=read_allowed_host,
)
# `serve` gives its clusters the port that it listens on.
OWN_PORTS = [
    read_port(each)
    for each in env_list(
        "OWN_PORTS",
        default=["9000"],
        help="Ports of this server on this machine, which no task may reach, besides the one of `serve` and the "
        "database's. Set it where clusters run without `serve`.",
        check=read_port,
    )
]

# --- Housekeeping (docs/operations.md) ------------------------------------------------------------------------

HOUSEKEEPING_HOUR = env_int(
    "HOUSEKEEPING_HOUR",
    default=3,
    minimum=-1,
    maximum=23,
    help="Hour of the day (in TIME_ZONE) at which what is over its time is removed. -1: only `manage.py prune` does.",
)
RETENTION_TASKS_DAYS = env_int(
    "RETENTION_TASKS_DAYS",
    default=90,
    minimum=0,
    help="Days after its end that a task is kept, with all that belongs to it. 0: for ever.",
)
RETENTION_TASKS_MB = env_int(
    "RETENTION_TASKS_MB",
    default=0,
    minimum=0,
    help="MiB that tasks may take in all, rows and files; the oldest go first. 0: no limit.",
)
RETENTION_STEPS_DAYS = env_int(
    "RETENTION_STEPS_DAYS",
    default=0,
    minimum=0,
    help="Days after the end of a task that its steps and the log of its pages are kept. 0: as long as the task.",
)
RETENTION_STEPS_MB = env_int(
    "RETENTION_STEPS_MB",
    default=0,
    minimum=0,
    help="MiB that the rows of steps and of logs of pages may take; those of the oldest tasks go first. 0: no limit.",
)
RETENTION_PICTURES_DAYS = env_int(
    "RETENTION_PICTURES_DAYS",
    default=30,
    minimum=0,
    help="Days that pictures of pages are kept. 0: as long as their task.",
)
RETENTION_PICTURES_MB = env_int(
    "RETENTION_PICTURES_MB",
    default=10240,
    minimum=0,
    help="MiB that pictures of pages may take; the oldest go first. 0: no limit.",
)
RETENTION_TRACES_DAYS = env_int(
    "RETENTION_TRACES_DAYS",
    default=14,
    minimum=0,
    help="Days that traces, network logs and videos are kept. 0: as long as their task.",
)
RETENTION_TRACES_MB = env_int(
    "RETENTION_TRACES_MB",
    default=5120,
    minimum=0,
    help="MiB that traces, network logs and videos may take; the oldest go first. 0: no limit.",
)
RETENTION_LOGS_DAYS = env_int(
    "RETENTION_LOGS_DAYS",
    default=30,
    minimum=0,
    help="Days that logs of tasks (such as the HTML of a failed step) and files in DATA_DIR/logs are kept. 0: for "
    "ever, those of tasks as long as their task.",
)
RETENTION_LOGS_MB = env_int(
    "RETENTION_LOGS_MB",
    default=1024,
    minimum=0,
    help="MiB that logs of tasks may take, and as many for DATA_DIR/logs; the oldest go first. 0: no limit.",
)
RETENTION_DOWNLOADS_DAYS = env_int(
    "RETENTION_DOWNLOADS_DAYS",
    default=0,
    minimum=0,
    help="Days that downloads are kept. 0: as long as their task.",
)
RETENTION_DOWNLOADS_MB = env_int(
    "RETENTION_DOWNLOADS_MB",
    default=0,
    minimum=0,
    help="MiB that downloads may take; the oldest go first. 0: no limit.",
)
RETENTION_AUDIT_DAYS = env_int(
    "RETENTION_AUDIT_DAYS",
    default=730,
    minimum=0,
    help="Days that the audit log is kept, at least 30 and no less than RETENTION_TASKS_DAYS. 0: for ever.",
)
if 0 < RETENTION_AUDIT_DAYS < max(30, RETENTION_TASKS_DAYS):
    raise SettingError(
        f"RETENTION_AUDIT_DAYS={RETENTION_AUDIT_DAYS} must be 0 or at least {max(30, RETENTION_TASKS_DAYS)}: what "
        "people did with a task is kept no shorter than the task (RETENTION_TASKS_DAYS), and 30 days in any case."
    )
RETENTION_BACKGROUND_WORK_DAYS = env_int(
    "RETENTION_BACKGROUND_WORK_DAYS",
    default=30,
    minimum=0,
    help="Days that the results of background work, done and failed, are kept. 0: for ever.",
)
# What other apps know how to clean up, by kind: the rule's name in reports, and a function that takes `dry_run` and
# returns how many. By path: the housekeeping imports none of them.
HOUSEKEEPING_ELSEWHERE = {
    "sessions": ("expired", "inference.services.login_sessions.delete_expired_sessions"),
    "workers": ("left on this host", "executor.housekeeping.remove_folders_of_dead_workers"),
}

# --- Logs ----------------------------------------------------------------------------------------------------

LOG_LEVEL = env_choice(
    "LOG_LEVEL",
    default="INFO",
    choices=("DEBUG", "INFO", "WARNING", "ERROR"),
    help="What the processes write to stderr. No level shows parameters, secrets or request bodies.",
)
LOG_FORMAT = env_choice(
    "LOG_FORMAT",
    default="line" if DEBUG or sys.stderr.isatty() else "json",
    choices=log.FORMATS,
    shown="line on a terminal or with DEBUG, else json",
    help="How: an object of JSON in each line, for a collector, or a plain line, for people.",
)
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {LOG_FORMAT: {"()": "optexity_site.log.make_formatter", "shape": LOG_FORMAT}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT}},
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        # SQL with its values, request lines of clients and the wire traffic of drivers: they hold parameters.
        "django.db.backends": {"level": "WARNING"},
        "django.request": {"level": "ERROR"},
        "asyncio": {"level": "WARNING"},
        "urllib3": {"level": "WARNING"},
        "psycopg": {"level": "WARNING"},
        "PIL": {"level": "WARNING"},
        # django-q2 logs whole packages at DEBUG and every package at INFO.
        "django-q": {"level": "INFO" if LOG_LEVEL in ("DEBUG", "INFO") else LOG_LEVEL},
        # The web server has a handler of its own, which would write exceptions with their texts.
        "_granian": {"handlers": ["stderr"], "level": "ERROR", "propagate": False},
    },
}

# --- Traces (docs/operations.md) -----------------------------------------------------------------------------

OTEL_EXPORTER_OTLP_ENDPOINT = env_str(
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    default="",
    help="Address of an OpenTelemetry collector (OTLP over HTTP), such as `http://127.0.0.1:4318`, to which traces are "
    "sent; requirements-otel.txt is what they need. Not set: no traces.",
    check=read_collector,
)
OTEL_EXPORTER_OTLP_HEADERS = env_str(
    "OTEL_EXPORTER_OTLP_HEADERS",
    default="",
    help="Headers for the collector, as `name=value,name=value`, values percent-encoded.",
    check=read_headers,
)
OTEL_SERVICE_NAME = env_str("OTEL_SERVICE_NAME", default="optexity", help="Name of this server in traces.")
if OTEL_EXPORTER_OTLP_ENDPOINT and not is_installed():
    raise SettingError(
        "OTEL_EXPORTER_OTLP_ENDPOINT is set, and the packages that traces need are not installed: run "
        f"`pip install -r {REQUIREMENTS}`, or unset it."
    )
