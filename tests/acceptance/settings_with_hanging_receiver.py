"""The product's settings with the app that hangs on request."""

from optexity_site.settings import *  # noqa: F403
from optexity_site.settings import INSTALLED_APPS as _APPS

INSTALLED_APPS = [*_APPS, "tests.acceptance.hanging_receiver"]
