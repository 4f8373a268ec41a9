"""Avatars: an SVG drawn from the username, the same every time, without asking anybody."""

from hashlib import sha256
from html import escape

from datalab.model.accounts import User

CELLS = 5
"""Cells a side, mirrored left to right."""
SIZE = 80


def avatar(user: User) -> str:
    """A square pattern in a colour of the person's own, with the name as its title."""
    seed = sha256(user.id.encode()).digest()
    hue = int.from_bytes(seed[:2]) % 360
    cell = SIZE // (CELLS + 1)
    margin = (SIZE - CELLS * cell) // 2
    squares = []
    for row in range(CELLS):
        for column in range((CELLS + 1) // 2):
            if seed[2 + row * 3 + column] & 1:
                for x in {column, CELLS - 1 - column}:
                    squares.append(f"M{margin + x * cell} {margin + row * cell}h{cell}v{cell}h-{cell}z")
    full = f"{user.first_name} {user.last_name}".strip() or user.username
    # What cannot be shown need not be XML either.
    name = escape("".join(character for character in full if character.isprintable()))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIZE} {SIZE}" role="img"><title>{name}</title>'
        f'<rect width="{SIZE}" height="{SIZE}" rx="8" fill="hsl({hue} 45% 90%)"/>'
        f'<path fill="hsl({hue} 55% 40%)" d="{"".join(sorted(squares))}"/></svg>'
    )
