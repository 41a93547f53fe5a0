"""Who is told when something goes wrong, and what it says."""
