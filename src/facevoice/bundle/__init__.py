"""Models on disk: read, reweigh, and what taught and measured them."""

from facevoice.bundle.read import (
    FORMATS,
    SHIPPED,
    Bundle,
    bundle_folder,
    load_bundle,
    read_card,
    shipped_bundles,
)

__all__ = [
    "FORMATS",
    "SHIPPED",
    "Bundle",
    "bundle_folder",
    "load_bundle",
    "read_card",
    "shipped_bundles",
]
