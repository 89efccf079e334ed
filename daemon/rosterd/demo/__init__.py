"""A whole installation in one folder."""
