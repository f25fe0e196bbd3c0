"""Notifiers: one file for each service, and the addresses of SYNCER_NOTIFY that choose among them."""
