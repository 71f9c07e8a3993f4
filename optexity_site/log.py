"""How a log line looks: time in UTC, level, logger, event and its fields."""

import logging
import time
from typing import Any

# What logging itself puts on a record; everything else came through `extra` and is shown as name=value.
_OWN_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class LineFormatter(logging.Formatter):
    """`2026-11-24T08:00:00Z INFO executor.worker task ended task_id=… status=success`"""

    converter = staticmethod(time.gmtime)

    def __init__(self, **_: Any) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s", datefmt="%Y-%m-%dT%H:%M:%SZ")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        fields = "".join(f" {name}={value}" for name, value in vars(record).items() if name not in _OWN_FIELDS)
        return super().formatMessage(record) + fields
