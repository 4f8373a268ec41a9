"""The demo: an invented tea shop, the people who run it and ninety days of visits to it."""
