"""Settings of a stock django-q2 cluster with the ORM broker at its defaults: what the claim is compared with.

The same PostgreSQL server as the other side of the measurement, in a database of its own; none of our apps.
"""

import os

SECRET_KEY = "only for the benchmark"  # noqa: S105
INSTALLED_APPS = ["django.contrib.contenttypes", "django_q"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": os.environ["BENCH_STOCK_NAME"],
        "HOST": os.environ["BENCH_HOST"],
        "PORT": os.environ["BENCH_PORT"],
        "USER": os.environ["BENCH_USER"],
        "PASSWORD": os.environ["BENCH_PASSWORD"],
        "CONN_MAX_AGE": None,
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
# As the manual shows it: `orm` and a time limit. The broker's poll stays at its default of 0.2 s.
Q_CLUSTER = {"name": "stock", "orm": "default", "workers": 2, "timeout": 60, "retry": 120}
