"""The one process that writes `release`: observe, decide, act, record, until nothing is left to do."""
