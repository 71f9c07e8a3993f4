"""Hides well-known consent banners: a style sheet that every page gets before its own content.

Nothing is fetched from anywhere, nothing is clicked, and no consent is given or refused; the banner is just not shown,
and the page behind it can be scrolled.
"""

import json

from playwright.async_api import BrowserContext

# What the tools that most sites use call their banner and what they lay over the page.
_BANNERS = (
    "#onetrust-consent-sdk",
    "#onetrust-banner-sdk",
    "#CybotCookiebotDialog",
    "#CybotCookiebotDialogBodyUnderlay",
    "#usercentrics-root",
    "#usercentrics-cmp-ui",
    "#didomi-host",
    "#qc-cmp2-container",
    ".qc-cmp2-container",
    ".fc-consent-root",
    "#truste-consent-track",
    ".truste_overlay",
    ".truste_box_overlay",
    "#sp_message_container",
    "[id^='sp_message_container_']",
    "#cookie-law-info-bar",
    ".cli-modal-backdrop",
    ".cc-window.cc-banner",
    ".osano-cm-window",
    ".cky-consent-container",
    ".cky-overlay",
    "#cookiescript_injected_wrapper",
    "#cookiescript_injected",
    "#iubenda-cs-banner",
    "#cmplz-cookiebanner-container",
    ".cmplz-cookiebanner",
    "#BorlabsCookieBox",
    "#hs-eu-cookie-confirmation",
    ".klaro .cookie-notice",
    ".klaro .cookie-modal",
    "#tarteaucitronRoot",
    "#axeptio_overlay",
    "#consent_blackbar",
    "#trustarc-banner-overlay",
    "#cookie-consent-banner",
    "#cookieConsentBanner",
    "#shopify-pc__banner",
    "#termly-code-snippet-support",
    "#ketch-consent-banner",
    "#transcend-consent-manager",
)
# What they do to the page behind it.
_LOCKED = (
    "html.didomi-popup-open",
    "body.didomi-popup-open",
    "html.sp-message-open",
    "html.sp-message-open body",
    "body.cky-modal-open",
    "body.qc-cmp-ui-showing",
    "html.qc-cmp-ui-showing",
    "body.ot-overflow-hidden",
    "html.cmplz-banner-open body",
)
STYLES = (
    f"{', '.join(_BANNERS)} {{ display: none !important; }}\n"
    f"{', '.join(_LOCKED)} {{ overflow: visible !important; position: static !important; }}"
)
# A constant script. A constructed sheet needs no element of the page, and no content security policy forbids it.
_SCRIPT = f"""(() => {{
  const sheet = new CSSStyleSheet();
  sheet.replaceSync({json.dumps(STYLES)});
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
}})()"""


async def hide_consent_banners(context: BrowserContext) -> None:
    """For all pages and frames that the context will have."""
    await context.add_init_script(_SCRIPT)
