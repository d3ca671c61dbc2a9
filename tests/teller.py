"""What a pod's interface counted against what Weir counted for it."""

from weir_on_cluster import Moved, WeirOnCluster


class Teller:
    """A pod of the shop that sends nothing unless told, observed alone on its node."""

    def __init__(self, weir: WeirOnCluster, node: str) -> None:
        self.weir = weir
        self.node = node
        self.name = f"teller-{node}"

    def __enter__(self) -> "Teller":
        # another observation of this node would set aside what it does not select, with the same reason
        self.weir.kube.kubectl("delete", "flowobservations", "--all", "-A")
        self.weir.run_pod(self.name, self.node, {"app": self.name})
        self.weir.observe(self.name, selector={"podSelector": {"matchLabels": {"app": self.name}}})
        self.weir.wait_ready(self.name)
        return self

    def __exit__(self, *_: object) -> None:
        self.weir.forget(self.name)
        self.weir.kube.kubectl("delete", "pod", self.name, "-n", "shop", "--grace-period=0", "--force")

    def run(self, *argv: str) -> str:
        """What a program in the pod prints."""
        return self.weir.exec(self.name, *argv)

    @property
    def counted(self) -> Moved:
        """What Weir has counted for it."""
        return self.weir.counted(self.node, self.name)

    @property
    def unexplained(self) -> Moved:
        """What the interface counted and Weir did not: what went by before it was attached.

        ARP is on the interface too, and is none of an observation's: the probe tells how much that was.
        """
        return self.weir.interface(self.name) - self.counted - self.weir.set_aside(self.node, "non_ip")

    def settled(self) -> Moved:
        """The same, once it is the same twice: nothing is on its way."""
        last: list[Moved] = [self.unexplained]

        def same() -> bool:
            last.append(self.unexplained)
            return last[-1] == last[-2]

        self.weir.until(same, "the counters to be at rest")
        return last[-1]

    def shop(self) -> None:
        """Ask every server for something: web by each pod's address and by the Service, the others by Services."""
        hosts = [f"{pod['status']['podIP']}:8080" for pod in self.weir.pods("shop", "app=web")]
        for host in [*hosts, "web.shop"]:
            self.run("curl", "-fsS", "-m", "20", "-o", "/dev/null", f"http://{host}/large")
        for number in range(10):
            self.run("redis-cli", "-h", "redis.shop", "set", f"order-{number}", "x" * 3000)
        self.run("psql", "-h", "postgres.shop", "-U", "shop", "-Atc", "select repeat('x', 100000)", "postgres")
        for kind in ("A", "AAAA"):
            self.run("dig", "+short", "web.shop.svc.cluster.local", kind)

    def check(self) -> Moved:
        """Shop, and wait until Weir has counted every packet of it once; what it counted."""
        before, counted = self.settled(), self.counted
        self.shop()
        self.weir.until(lambda: self.unexplained == before, f"{before} to be all that is not counted")
        return self.counted - counted
