"""What the background cluster runs each night, and what only a host itself can clean up."""

import logging

from executor.drain import drain
from executor.leftovers import abandoned_folders, remove_abandoned
from inference.housekeeping.errors import OtherPruneRunsError
from inference.housekeeping.schedule import continue_soon
from inference.housekeeping.sweep import prune
from inference.housekeeping.words import amounts

logger = logging.getLogger(__name__)

# Below the limit that Q_CLUSTER sets for a package (600 s), with room for the batch that runs at that moment.
MAX_SECONDS = 8 * 60


def run() -> str:
    """One run of the housekeeping; what it did stands as the result of the package, and in the audit log.

    It ends by itself when its time is over or its cluster stops, and then is scheduled again soon.
    """
    try:
        pruned = prune(actor="housekeeping", max_seconds=MAX_SECONDS, must_stop=drain.has_begun)
    except OtherPruneRunsError as error:
        return str(error)
    if not pruned.is_finished:
        continue_soon()
    words = f"removed {amounts(pruned.totals)}"
    if not pruned.is_finished:
        words += "; not finished, goes on in a minute"
    if pruned.failures:
        logger.warning("housekeeping could not do everything", extra={"failures": len(pruned.failures)})
        words += f"; {len(pruned.failures)} not done, first: {pruned.failures[0]}"
    return words


def remove_folders_of_dead_workers(*, dry_run: bool) -> int:
    """Temporary folders and browser profiles that killed workers left on this host. A browser cluster does it by
    itself; this is for hosts where none runs any more."""
    return len(abandoned_folders()) if dry_run else remove_abandoned()
