"""The owner of the embedded PostgreSQL server."""
