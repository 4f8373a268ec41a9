"""Structs and rules without I/O, clock or asyncio."""
