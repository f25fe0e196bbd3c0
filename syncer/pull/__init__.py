"""The sync itself: what to do next is decided purely in machine and sweep, and done in run."""
