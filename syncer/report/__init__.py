"""Renders one frozen reading of the database as a self-contained HTML page; pure: no clock, no input, no output."""
