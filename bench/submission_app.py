"""The web application with its express lane set otherwise, for `bench.api --compare`.

BENCH_LANE is "off" (each submission goes through Django), or how many batches of a key may be stored side by side.
"""

import os

from optexity_site import wsgi  # before all that needs Django's settings, which it reads

from inference.views import express  # isort: skip

_lane = os.environ.get("BENCH_LANE", str(express.BATCHES_PER_GROUP))


def _build() -> wsgi.Application:
    whole = wsgi.application
    if _lane != "off":
        express.BATCHES_PER_GROUP = int(_lane)
        return whole
    assert isinstance(whole, wsgi.ChunkedBodies)
    assert isinstance(whole.application, express.Express)
    whole.application = whole.application.application
    return whole


application = _build()
