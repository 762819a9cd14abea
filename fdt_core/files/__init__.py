"""Small files of settings and records: read strictly, replaced atomically."""
