"""Apache Kafka (kafka.apache.org/protocol): every API and version that there was."""

from weir_probe.protocols.kafka.detect import detect
from weir_probe.protocols.kafka.parse import WHOLE, Kafka
from weir_probe.protocols.parser import Spec

SPEC = Spec(
    "kafka",
    ("Kafka",),
    detect,
    Kafka,
    tcp_ports=(9092, 9093, 9094),
    pairs_by_id=True,
    parse_limit=WHOLE,
    every_segment=True,
)
