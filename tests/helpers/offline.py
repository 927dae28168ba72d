"""What a page would ask of other servers."""

import re


def asked(page: str) -> list[str]:
    """Addresses that the page would load by itself: sources of scripts, styles, pictures, frames."""
    found = re.findall(r'<(?:script|link|img|iframe|source)\b[^>]*\b(?:src|href)="([^"]*)"', page)
    styles = re.findall(r"url\(['\"]?([^)'\"]+)", page) + re.findall(r"@import\s+['\"]([^'\"]+)", page)
    return [address for address in found + styles if not address.startswith(("data:", "#", "%23"))]
