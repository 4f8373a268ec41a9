"""From a page's hello to an acknowledged event: ticket, gate, group commit, acknowledgement."""
