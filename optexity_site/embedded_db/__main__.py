"""The guardian's program; see `guardian.spawn`."""

from __future__ import annotations

from optexity_site.embedded_db.guardian import main

main()
