"""Whether this cluster is to stop: set once by the `qcluster` command, inherited by every process it forks."""

from executor.handover import PipeEvent


class Drain:
    """Set when the cluster was told to stop. Workers then claim nothing more, and a running task gets
    SHUTDOWN_GRACE_SECONDS to finish."""

    def __init__(self) -> None:
        self._event: PipeEvent | None = None

    def arm(self) -> None:
        """Called before the first fork, so that all processes share one event."""
        self._event = PipeEvent(ends_with_parent=False)  # workers are grandchildren of the command

    def begin(self) -> None:
        if self._event is not None:
            self._event.set()

    def has_begun(self) -> bool:
        return self._event is not None and self._event.is_set()

    def fileno(self) -> int | None:
        """Readable exactly when draining has begun; None outside a cluster."""
        return None if self._event is None else self._event.fileno()


drain = Drain()
