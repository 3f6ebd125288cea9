"""Models on disk: reading, reweighing, and what they were trained and measured on."""

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
