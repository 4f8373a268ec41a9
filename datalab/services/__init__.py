"""What people and pages can do: every rule of the platform, whoever asks."""
