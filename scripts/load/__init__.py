"""Load: from a landed object into a raw table, exactly once."""
