"""What the command line can ask for, with a server running on the data directory or without one: one table for both."""
