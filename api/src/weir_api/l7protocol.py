"""L7Protocol: an application protocol by declaration, or by a WASM module."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from weir_api.base import Model, rules
from weir_api.conditions import Condition

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=63)]
Hex = Annotated[str, Field(pattern=r"^([0-9a-fA-F]{2})+$", max_length=8192)]
Expression = Annotated[str, Field(max_length=512)]


class ProtocolTransport(StrEnum):
    TCP = "TCP"
    UDP = "UDP"


class Magic(Model):
    """Bytes at a fixed place that tell the protocol."""

    offset: Annotated[int, Field(ge=0, le=1024)] = Field(0, description="Offset from the start of a message.")
    bytes: Hex = Field(description="The bytes, in hex.")


class Match(Model):
    """How a stream of this protocol is recognised."""

    ports: list[Annotated[int, Field(ge=1, le=65535)]] | None = Field(None, max_length=64, description="Server ports.")
    magic: list[Magic] | None = Field(None, max_length=8, description="Bytes that must be there.")
    confidence: Annotated[int, Field(ge=1, le=100)] = Field(50, description="Against other protocols that match too.")


class Endian(StrEnum):
    BIG = "Big"
    LITTLE = "Little"


class LengthPrefixed(Model):
    """Messages with their length in a header."""

    offset: Annotated[int, Field(ge=0, le=1024)] = Field(description="Offset of the length.")
    size: Annotated[int, Field(ge=1, le=8)] = Field(description="Size of the length in bytes.")
    endian: Endian = Field(Endian.BIG, description="Byte order.")
    adjust: Annotated[int, Field(ge=-65536, le=65536)] = Field(
        0, description="Added to get the whole message's length."
    )


class Delimiter(Model):
    """Messages that end with fixed bytes."""

    bytes: Hex = Field(description="The bytes, in hex.")
    max_length: Annotated[int, Field(ge=1, le=1_048_576)] = Field(65536, description="Longest message in bytes.")


class Fixed(Model):
    """Messages of one length."""

    length: Annotated[int, Field(ge=1, le=65536)] = Field(description="Length in bytes.")


class Framing(Model):
    """Where a message ends: exactly one of the three."""

    model_config = rules(
        (
            "[has(self.lengthPrefixed), has(self.delimiter), has(self.fixed)].filter(given, given).size() == 1",
            "exactly one of lengthPrefixed, delimiter and fixed must be given",
        )
    )
    length_prefixed: LengthPrefixed | None = Field(None, description="Length in a header.")
    delimiter: Delimiter | None = Field(None, description="Fixed bytes at the end.")
    fixed: Fixed | None = Field(None, description="One length.")


class FieldType(StrEnum):
    UINT = "UInt"
    INT = "Int"
    STRING = "String"
    BYTES = "Bytes"


class MessageField(Model):
    """A value in a message."""

    name: Name = Field(description="Name, for the expressions below.")
    type: FieldType = Field(description="How the bytes are read.")
    offset: Annotated[int, Field(ge=0, le=65536)] | None = Field(
        None, description="Offset; absent: after the last field."
    )
    length: Annotated[int, Field(ge=1, le=65536)] | None = Field(None, description="Length in bytes.")
    length_field: Name | None = Field(None, description="Field that holds the length instead.")
    endian: Endian = Field(Endian.BIG, description="Byte order.")


class MessageKinds(Model):
    """What a message is, as conditions over its fields."""

    request: Expression = Field(description="When it is a request.")
    response: Expression | None = Field(None, description="When it is a response.")
    one_way: Expression | None = Field(None, description="When it is a request without a response.")


class CorrelationMode(StrEnum):
    BY_FIELD = "ByField"
    IN_ORDER = "InOrder"


class Correlation(Model):
    """How a response finds its request."""

    mode: CorrelationMode = Field(CorrelationMode.IN_ORDER, description="By a field, or in order.")
    field: Name | None = Field(None, description="The field, for ByField.")


class StatusRule(Model):
    """How a response tells success."""

    field: Name = Field(description="Field of the response.")
    ok: list[Annotated[str, Field(max_length=64)]] = Field(max_length=64, description="Values that mean success.")
    client_error: list[Annotated[str, Field(max_length=64)]] | None = Field(
        None, max_length=64, description="Values that blame the client; others blame the server."
    )


class TraceFormat(StrEnum):
    TRACEPARENT = "traceparent"
    B3 = "b3"
    SW8 = "sw8"
    UBER_TRACE_ID = "uber-trace-id"
    RAW = "raw"


class TraceContext(Model):
    """Where a message carries its trace."""

    field: Name = Field(description="Field that holds it.")
    format: TraceFormat = Field(description="Its format.")


class ExpectedField(Model):
    """A field's value in a sample."""

    name: Name = Field(description="Field.")
    value: Annotated[str, Field(max_length=1024)] = Field(description="Value as text.")


class Sample(Model):
    """A message and what must be read from it: a self-test that gates Ready."""

    hex: Hex = Field(description="The message.")
    fields: list[ExpectedField] = Field(max_length=64, description="What must be read from it.")


class Wasm(Model):
    """A parser as a WASM module."""

    module: Annotated[str, Field(max_length=512)] = Field(description="ConfigMap key that holds it, as name/key.")
    memory: Annotated[str, Field(max_length=32)] = Field("4Mi", description="Memory limit.")
    fuel_per_message: Annotated[int, Field(ge=1, le=100_000_000)] = Field(100_000, description="Instruction limit.")


class L7ProtocolSpec(Model):
    """An application protocol."""

    model_config = rules(
        ("has(self.wasm) != has(self.framing)", "exactly one of framing and wasm must be given"),
    )
    transport: ProtocolTransport = Field(ProtocolTransport.TCP, description="TCP or UDP.")
    match: Match = Field(description="How it is recognised.")
    framing: Framing | None = Field(None, description="Where a message ends.")
    fields: list[MessageField] | None = Field(None, max_length=64, description="What is read from a message.")
    message: MessageKinds | None = Field(None, description="What a message is.")
    correlation: Correlation | None = Field(None, description="How a response finds its request.")
    operation: Expression | None = Field(None, description="What a call is named by.")
    status: StatusRule | None = Field(None, description="How a response tells success.")
    trace_context: TraceContext | None = Field(None, description="Where a message carries its trace.")
    samples: list[Sample] | None = Field(None, max_length=32, description="Self-tests.")
    wasm: Wasm | None = Field(None, description="A parser as a WASM module instead.")


class L7ProtocolStatus(Model):
    """How the protocol does."""

    observed_generation: int | None = Field(None, description="The generation this status is about.")
    mode: Annotated[str, Field(max_length=32)] | None = Field(None, description="Declared or Wasm.")
    samples_passed: Annotated[str, Field(max_length=16)] | None = Field(None, description="Passed of given, e.g. 3/3.")
    nodes_loaded: int | None = Field(None, description="Nodes whose probe has it loaded.")
    used_by: int | None = Field(None, description="Observations that use it.")
    messages: int | None = Field(None, description="Messages parsed.")
    parse_error_percent: float | None = Field(None, description="Share of messages that did not parse.")
    conditions: list[Condition] = Field(
        default_factory=list,
        max_length=16,
        description="Accepted, SamplesPassed, Loaded, Ready.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )


class L7Protocol(Model):
    """An application protocol by declaration."""

    spec: L7ProtocolSpec
    status: L7ProtocolStatus | None = None
