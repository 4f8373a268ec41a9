"""What the dashboard reads: figures in memory, a pure function of journal and configuration."""
