"""What several tests share: miniature media, bundles, corpora and contracts."""
