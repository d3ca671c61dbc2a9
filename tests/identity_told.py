"""What a client of the identity feed knows, from what it was told and nothing else."""

from weir_api.feed import Identity, News


class Told:
    """The answers so far, by address, and the peers, by the id of the selector."""

    def __init__(self) -> None:
        self.answers: dict[str, Identity | None] = {}
        self.peers: dict[str, set[str]] = {}
        self.version = ""

    def take(self, news: News) -> None:
        """Take news in."""
        self.version = news.version
        for identity in news.identities:
            for address in identity.addresses:
                self.answers[address] = identity
        self.answers.update(dict.fromkeys(news.nobody))
        for change in news.peers:
            held = set() if change.replace else self.peers[change.id]
            self.peers[change.id] = (held | set(change.add)) - set(change.remove)

    def name(self, address: str) -> str:
        """Who has an address as Kind/namespace/name; "nobody", or "unknown" where it was not told."""
        if address not in self.answers:
            return "unknown"
        identity = self.answers[address]
        return f"{identity.kind.value}/{identity.namespace}/{identity.name}" if identity else "nobody"
