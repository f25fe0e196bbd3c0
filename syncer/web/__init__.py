"""The status page: what an operator looks at to know that all is well, and the probes that machines ask."""
