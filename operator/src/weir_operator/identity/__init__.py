"""Who is behind an address, and the feed that tells probes: see docs/identity.md."""
