"""Small files of settings and records: read strictly, written whole."""
