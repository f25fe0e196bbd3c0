"""Measurements that take too long for every test run; each can be started by hand."""
