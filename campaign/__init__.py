"""Breaks syncer on purpose, and checks every guarantee of docs/guarantees.md after each blow."""
