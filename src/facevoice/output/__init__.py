"""Results as files: tables, pages, subtitles, annotations, annotated videos."""
