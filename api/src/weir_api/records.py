"""The flow record: what leaves the probe when a flow ends, and per interval while it is open."""

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from weir_api.base import Model


class RecordReason(StrEnum):
    """Why a record was written."""

    INTERVAL = "interval"
    END = "end"


class FlowRecord(Model):
    """One line of the flow log. The records of one `flow_id` add up exactly to the flow's totals."""

    # snake_case, as the lines of `weir replay`: this is a log, not a Kubernetes resource
    model_config = ConfigDict(alias_generator=None)

    flow_id: Annotated[str, Field(max_length=32)] = Field(description="Same in every record of one flow.")
    sequence: int = Field(ge=1, description="1 for a flow's first record, then one more each.")
    reason: RecordReason = Field(description="interval: the flow goes on; end: it does not.")
    node: str = Field(description="Node that saw it.")
    observations: list[str] = Field(description="namespace/name of the observations that asked for it.")
    start: str = Field(description="First packet of the flow, RFC 3339 with nanoseconds.")
    end: str = Field(description="Last packet of this record, RFC 3339 with nanoseconds.")
    src: str = Field(description="Address of the side that opened the flow.")
    dst: str = Field(description="Address of the other side.")
    src_port: int = Field(description="Its port; 0 where the protocol has none.")
    dst_port: int = Field(description="The other side's port.")
    protocol: str | int = Field(description="IANA keyword such as TCP; the number where it has none.")
    src_namespace: str = Field("", description="Namespace of src's workload or Service; empty: not known, or none.")
    src_workload: str = Field(
        "", description="Kind/name of src's workload, Service or Node, or its class: node, cluster, external."
    )
    src_pod: str = Field("", description="Pod of src.")
    dst_namespace: str = Field("", description="Namespace of dst's workload or Service.")
    dst_workload: str = Field("", description="Kind/name of dst's workload, Service or Node, or its class.")
    dst_pod: str = Field("", description="Pod of dst.")
    packets_tx: int = Field(description="Packets from src in this record.")
    packets_rx: int = Field(description="Packets from dst in this record.")
    bytes_tx: int = Field(description="Bytes (L2) from src in this record.")
    bytes_rx: int = Field(description="Bytes (L2) from dst in this record.")
    tcp_flags_tx: int = Field(0, description="Union of the TCP flags that src has sent.")
    tcp_flags_rx: int = Field(0, description="Union of the TCP flags that dst has sent.")
