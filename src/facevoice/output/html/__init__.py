"""What all HTML pages share: their frame, style and colours."""
