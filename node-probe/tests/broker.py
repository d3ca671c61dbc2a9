"""A real Kafka broker: its jars by Maven, kept in a cache outside the checkout, and one node of KRaft on it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from recording import Recording

VERSION: Final = "4.1.1"
MIN_JAVA: Final = 17
PORT, CONTROLLER_PORT = 19092, 19093
_POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion><groupId>weir</groupId><artifactId>broker</artifactId><version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version></dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.24.3</version>
    </dependency>
  </dependencies>
</project>
"""
_SETTINGS = """process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{address}:{controller}
listeners=PLAINTEXT://{address}:{port},CONTROLLER://{address}:{controller}
advertised.listeners=PLAINTEXT://{address}:{port}
controller.listener.names=CONTROLLER
log.dirs={folder}/data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
"""
_LOGGING = """status=error
appender.requests.type=File
appender.requests.name=requests
appender.requests.fileName={folder}/requests.log
appender.requests.layout.type=PatternLayout
appender.requests.layout.pattern=%m%n
rootLogger.level=off
logger.requests.name=kafka.request.logger
logger.requests.level=debug
logger.requests.additivity=false
logger.requests.appenderRef.requests.ref=requests
"""


class BrokerMissingError(Exception):
    """There is no broker on this machine; the text says what is missing."""


def jars() -> Path:
    """The folder of the broker's jars, fetched once. Raises BrokerMissingError."""
    java, maven = shutil.which("java"), shutil.which("mvn")
    if java is None or maven is None:
        raise BrokerMissingError(f"no {'java' if java is None else 'mvn'} on PATH: a Kafka broker needs Java and Maven")
    told = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', told)
    if found is None or int(found[1]) < MIN_JAVA:
        raise BrokerMissingError(f"Kafka {VERSION} needs Java {MIN_JAVA}: {told.splitlines()[:1]}")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "weir/kafka"
    folder = cache / VERSION
    if folder.exists():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as made:
        Path(made, "pom.xml").write_text(_POM)
        command = [maven, "-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory=lib"]
        done = subprocess.run(command, cwd=made, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BrokerMissingError(f"Maven has not got Kafka {VERSION}: {done.stdout[-300:]}")
        if not folder.exists():
            Path(made, "lib").rename(folder)
    return folder


class Broker:
    """On PORT of the tape's namespace, with every request in its log."""

    def __init__(self, tape: Recording, folder: Path) -> None:
        self.folder = folder
        settings, logging = folder / "server.properties", folder / "log4j2.properties"
        settings.write_text(
            _SETTINGS.format(address=tape.address, port=PORT, controller=CONTROLLER_PORT, folder=folder)
        )
        logging.write_text(_LOGGING.format(folder=folder))
        java = (
            "java",
            "-Xmx512m",
            "-XX:TieredStopAtLevel=1",
            f"-Dlog4j2.configurationFile={logging}",
            "-cp",
            f"{jars()}/*",
        )
        subprocess.run(
            [*java, "kafka.tools.StorageTool", "format", "-t", "AAAAAAAAAAAAAAAAAAAAAA", "-c", str(settings)],
            check=True,
            capture_output=True,
        )
        tape.start(*java, "kafka.Kafka", settings, ready=PORT, within_s=240)

    def requests(self, clients: set[str]) -> Iterator[dict[str, Any]]:
        """What clients at these addresses were answered: header, request and response of each, as the broker logs
        them."""
        for line in (self.folder / "requests.log").read_text().splitlines():
            if line.startswith("Completed request:"):
                told = json.loads(line.removeprefix("Completed request:"))
                listener, client = told["connection"].split("-")[:2]
                if listener.endswith(f":{PORT}") and client.rpartition(":")[0] in clients:
                    yield told
