"""The local stack: real servers on loopback, started and stopped by this project alone."""
