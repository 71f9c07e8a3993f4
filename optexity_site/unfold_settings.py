"""What django-unfold is told: names, colors, styles, navigation. The colors are those of the design;
`static/inference/palette.css` holds the same values for the pages (a test keeps the two equal)."""

from collections.abc import Callable
from typing import Any

COLORS = {
    # unfold's scale with less blue, so that dark is neutral; 500 is darker than unfold's, which fails AA on 100.
    "base": {
        "50": "oklch(98.4% .002 265)",
        "100": "oklch(96.6% .003 265)",
        "200": "oklch(92.6% .005 265)",
        "300": "oklch(86.5% .008 264)",
        "400": "oklch(70.5% .014 263)",
        "500": "oklch(52.5% .018 263)",
        "600": "oklch(43.5% .019 262)",
        "700": "oklch(36% .018 262)",
        "800": "oklch(26.5% .014 264)",
        "900": "oklch(19.5% .011 266)",
        "950": "oklch(15% .009 266)",
    },
    "primary": {
        "50": "oklch(97.2% .013 281)",
        "100": "oklch(94.2% .028 280)",
        "200": "oklch(88.5% .058 279)",
        "300": "oklch(81% .1 278)",
        "400": "oklch(73% .135 277)",
        "500": "oklch(64% .165 276)",
        "600": "oklch(52% .2 276)",
        "700": "oklch(46% .185 277)",
        "800": "oklch(39.5% .15 277)",
        "900": "oklch(33% .115 278)",
        "950": "oklch(25% .08 279)",
    },
}
BORDER_RADIUS = "6px"

# After unfold's own styles (templates/unfold/layouts/skeleton.html prints them in that order).
STYLES = ("palette.css", "tokens.css", "components.css", "dashboard.css")


def unfold_settings(*, name: str, subtitle: str) -> dict[str, Any]:
    """The value of the setting UNFOLD."""
    return {
        "SITE_TITLE": name,
        "SITE_HEADER": name,
        "SITE_SUBHEADER": subtitle,
        "SITE_SYMBOL": "ads_click",
        "SITE_URL": None,
        "SHOW_VIEW_ON_SITE": False,
        "SHOW_LANGUAGES": False,
        "BORDER_RADIUS": BORDER_RADIUS,
        "COLORS": COLORS,
        "STYLES": [_static(f"inference/{style}") for style in STYLES],
        "DASHBOARD_CALLBACK": "inference.admin.home.home_context",
        "GLOBAL_CALLBACK": "inference.admin.navigation.frame_context",
        "SIDEBAR": {
            "show_search": True,
            "command_search": True,
            "show_all_applications": False,
            "navigation": "inference.admin.navigation.sidebar",
        },
    }


def _static(path: str) -> Callable[[object], str]:
    def address(_request: object) -> str:
        # Not at the top: the tag reads the settings, and this module is read by them.
        from django.templatetags.static import static

        return static(path)

    return address
