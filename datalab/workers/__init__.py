"""What runs beside requests: named tasks with a health line."""
