"""Settings of the demo portal; they have nothing in common with the server's."""

from pathlib import Path

HERE = Path(__file__).parent

# Signs the session of a made-up user in a portal without data. Fixed, so that a restarted portal
# still knows who was signed in.
SECRET_KEY = "northwind-demo-portal-has-nothing-to-protect"
DEBUG = False
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]", "demo.localhost"]

ROOT_URLCONF = "demo.portal.urls"
APPEND_SLASH = False
INSTALLED_APPS: list[str] = []
DATABASES: dict[str, object] = {}
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "demo.portal.views.shell.same_origin_only",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [HERE / "templates"],
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "demo.portal.views.shell.page_frame",
            ],
        },
    }
]

SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
# Cookies are shared by all ports of a host, and the server's own admin is often on the same one.
SESSION_COOKIE_NAME = "northwind_session"
CSRF_COOKIE_NAME = "northwind_csrf"

STATIC_URL = "/static/"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"
FILE_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024
