"""Alerts: what is raised, kept, told to whom, and by which service."""
