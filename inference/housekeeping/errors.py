"""Why a prune did not do its work, or not all of it."""


class OtherPruneRunsError(Exception):
    """Another prune of this database runs, on whatever host."""


class StoppedError(Exception):
    """It was told to stop, or its time is over; what was done is done, and the next one goes on from there."""
