"""Ports (documents, journal) and their implementations: `embedded` for the appliance, `memory` for tests."""
