"""Filtered search beside other engines: recall and time against selectivity, with, against and beside the query."""
