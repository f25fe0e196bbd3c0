"""Keeps a trustworthy copy of Tencent Cloud VOD cold-backup inventory in PostgreSQL."""
