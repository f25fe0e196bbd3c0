"""Metrics in Prometheus form, read from the database as `status` is."""
