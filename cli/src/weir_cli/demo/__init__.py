"""The demo's shop: a load generator → web (nginx) → api → redis, names from dns, each in a network namespace."""
