"""HTTP and websockets: requests in, answers out; no rule lives here."""
