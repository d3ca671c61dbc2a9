"""What leaves the probe: a flow record when a flow ends, and per interval while it is open; a call record per call."""

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
    interfaces: list[str] = Field(default_factory=list, description="Interfaces of observed workloads that it passed.")
    connection: str = Field(
        "", description="Same in all records of one TCP connection: on other nodes, and behind a Service's address."
    )
    dst_nat: str = Field("", description="Address that packets to dst, a virtual one, really went to.")
    dst_nat_port: int = Field(0, description="And the port there.")
    dst_nat_namespace: str = Field("", description="Namespace of who is there.")
    dst_nat_workload: str = Field("", description="Kind/name of who is there.")
    dst_nat_pod: str = Field("", description="Pod that is there.")
    packets_tx: int = Field(description="Packets from src in this record.")
    packets_rx: int = Field(description="Packets from dst in this record.")
    bytes_tx: int = Field(description="Bytes (L2) from src in this record.")
    bytes_rx: int = Field(description="Bytes (L2) from dst in this record.")
    tcp_flags_tx: int = Field(0, description="Union of the TCP flags that src has sent.")
    tcp_flags_rx: int = Field(0, description="Union of the TCP flags that dst has sent.")
    l3_bytes_tx: int = Field(0, description="Bytes of IP packets from src in this record.")
    l3_bytes_rx: int = Field(0, description="Bytes of IP packets from dst in this record.")
    l4_bytes_tx: int = Field(0, description="Bytes that TCP or UDP carried from src.")
    l4_bytes_rx: int = Field(0, description="Bytes that TCP or UDP carried from dst.")
    retrans_tx: int = Field(0, description="Segments of src whose data was seen before; its repeated SYN and SYN+ACK.")
    retrans_rx: int = Field(0, description="Segments of dst whose data was seen before; its repeated SYN and SYN+ACK.")
    ooo_tx: int = Field(0, description="Segments of src with new data below the highest seen.")
    ooo_rx: int = Field(0, description="Segments of dst with new data below the highest seen.")
    zero_win_tx: int = Field(0, description="Segments of src with a window of 0 after the handshake.")
    zero_win_rx: int = Field(0, description="Segments of dst with a window of 0 after the handshake.")
    retrans_syn: int = Field(0, description="Repeated SYN.")
    retrans_synack: int = Field(0, description="Repeated SYN+ACK.")
    syn: int = Field(0, description="Segments with SYN alone.")
    synack: int = Field(0, description="Segments with SYN and ACK.")
    fin: int = Field(0, description="Segments with FIN.")
    rtt_client_count: int = Field(0, description="From a SYN+ACK to the handshake's ACK: how many.")
    rtt_client_sum_us: float = Field(0, description="Their sum, in microseconds.")
    rtt_client_max_us: float = Field(0, description="The longest, in microseconds.")
    rtt_server_count: int = Field(0, description="From the SYN to a SYN+ACK: how many.")
    rtt_server_sum_us: float = Field(0, description="Their sum, in microseconds.")
    rtt_server_max_us: float = Field(0, description="The longest, in microseconds.")
    srt_count: int = Field(0, description="System response, request to acknowledgement (TCP, ICMP echo): how many.")
    srt_sum_us: float = Field(0, description="Their sum, in microseconds.")
    srt_max_us: float = Field(0, description="The longest, in microseconds.")
    art_count: int = Field(0, description="Application response, request to first data (TCP, UDP): how many.")
    art_sum_us: float = Field(0, description="Their sum, in microseconds.")
    art_max_us: float = Field(0, description="The longest, in microseconds.")
    cit_count: int = Field(0, description="Client idle, response to next request: how many.")
    cit_sum_us: float = Field(0, description="Their sum, in microseconds.")
    cit_max_us: float = Field(0, description="The longest, in microseconds.")
    rtt_count: int = Field(0, description="From the SYN to the handshake's ACK: how many.")
    rtt_sum_us: float = Field(0, description="Their sum, in microseconds.")
    rtt_max_us: float = Field(0, description="The longest, in microseconds.")
    close_type: str = Field("unknown", description="How a TCP flow ended (docs/flows.md); unknown: it has not, as yet.")
    # from here on by kernel signals (docs/capture.md): of the ends that are observed pods
    src_pid: int = Field(0, description="Process that made src's socket, as the node numbers it; 0: not known.")
    src_command: str = Field("", description="Name of its executable, the first 15 bytes.")
    src_cgroup: int = Field(0, description="Id of the cgroup (v2) of src's socket.")
    src_container: str = Field("", description="Id of the container that the process is in.")
    dst_pid: int = Field(0, description="Process that made dst's socket; of a server, that listens.")
    dst_command: str = Field("", description="Name of its executable, the first 15 bytes.")
    dst_cgroup: int = Field(0, description="Id of the cgroup (v2) of dst's socket.")
    dst_container: str = Field("", description="Id of the container that the process is in.")
    drops: dict[str, int] = Field(
        default_factory=dict,
        description="Packets that the kernel dropped in this record, by its reason (enum skb_drop_reason); the first "
        "four, the rest as other.",
    )
    kernel_retrans_tx: int = Field(0, description="Segments that src's TCP has sent again in this record.")
    kernel_retrans_rx: int = Field(0, description="Segments that dst's TCP has sent again in this record.")
    reset_by: str = Field("", description="Who sent the first reset: src or dst.")
    reset_reason: str = Field(
        "", description="Why (enum sk_rst_reason), where the sender was seen and the kernel tells."
    )
    reset_state: str = Field("", description="TCP state of the socket that told of it; NONE: there was none.")
    src_bytes_acked: int = Field(0, description="When src's socket was closed: bytes that dst had acknowledged.")
    src_bytes_received: int = Field(0, description="Bytes that src had received.")
    src_srtt_us: int = Field(0, description="Smoothed round-trip time, in microseconds.")
    src_min_rtt_us: int = Field(0, description="Shortest round-trip time of the last minutes, in microseconds.")
    src_retrans: int = Field(0, description="Segments sent again since it was opened.")
    src_lost: int = Field(0, description="Segments that were taken for lost.")
    src_cwnd: int = Field(0, description="Congestion window, in segments.")
    dst_bytes_acked: int = Field(0, description="The same of dst's socket.")
    dst_bytes_received: int = Field(0, description="Bytes that dst had received.")
    dst_srtt_us: int = Field(0, description="Smoothed round-trip time, in microseconds.")
    dst_min_rtt_us: int = Field(0, description="Shortest round-trip time of the last minutes, in microseconds.")
    dst_retrans: int = Field(0, description="Segments sent again since it was opened.")
    dst_lost: int = Field(0, description="Segments that were taken for lost.")
    dst_cwnd: int = Field(0, description="Congestion window, in segments.")


class CallStatus(StrEnum):
    """How a call went. unknown: no response was seen, and it had not waited long enough to time out."""

    UNKNOWN = "unknown"
    OK = "ok"
    CLIENT_ERROR = "client_error"
    SERVER_ERROR = "server_error"
    TIMEOUT = "timeout"


class CallRecord(Model):
    """One line of the call log: a request with its response, or a message that has none."""

    # snake_case, as flow records
    model_config = ConfigDict(alias_generator=None)

    start: str = Field(description="When the request began, RFC 3339 with nanoseconds.")
    node: str = Field("", description="Node that saw it; empty: a capture file.")
    observations: list[str] = Field(
        default_factory=list, description="namespace/name of the observations that asked for it."
    )
    src: str = Field(description="Address of the client.")
    src_namespace: str = Field("", description="Namespace of the client's workload or Service; empty: none known.")
    src_workload: str = Field("", description="Kind/name of the client's workload, Service or Node, or its class.")
    src_pod: str = Field("", description="Pod of the client.")
    dst: str = Field(description="Address of the server.")
    dst_namespace: str = Field("", description="Namespace of the server's workload or Service.")
    dst_workload: str = Field("", description="Kind/name of the server's workload, Service or Node, or its class.")
    dst_pod: str = Field("", description="Pod of the server.")
    src_port: int = Field(description="Port of the client.")
    dst_port: int = Field(description="Port of the server.")
    transport: str = Field(description="TCP or UDP.")
    protocol: str = Field(description="Application protocol, such as HTTP, gRPC, MySQL.")
    type: str = Field("", description="Method, command or query type.")
    domain: str = Field("", description="Host, authority, name that is asked for, client id.")
    resource: str = Field("", description="Path and query, statement, topic, key.")
    endpoint: str = Field("", description="What is called, without what differs from call to call.")
    request_id: int | str | None = Field(None, description="What the protocol pairs by; absent where it has nothing.")
    status: CallStatus = Field(description="How it went.")
    code: int | str | None = Field(None, description="Status or error code of the protocol.")
    exception: str = Field("", description="Error text of the response.")
    result: str = Field("", description="What the response says, in short.")
    request_bytes: int = Field(description="Size of the request's messages, as far as known.")
    response_bytes: int = Field(description="Size of the response's messages, as far as known.")
    latency_us: float | None = Field(
        None, description="From the request's first byte to the response's; none: no response."
    )
    trace_id: str = Field("", description="Trace that it belongs to.")
    span_id: str = Field("", description="Span of the caller.")
    parent_span_id: str = Field("", description="Parent of that span.")
    x_request_id: str = Field("", description="x-request-id.")
    attributes: dict[str, str] = Field(default_factory=dict, description="What else the protocol tells.")
    truncated: bool = Field(False, description="Some text had no room.")
