"""Application protocols: a folder each, told by its SPEC in the registry (docs/adding-a-protocol.md)."""
