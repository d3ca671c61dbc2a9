"""Keeps a capture alive over the death of the agent that runs it.

What is attached to the kernel lives as long as someone holds its descriptors. The agent (`Keeping`) hands a copy of
each to its parent process (`keep`), which does nothing else and so has little to die of. The next agent gets them back;
when the parent ends, nobody holds them, and the kernel removes what they stand for. Nothing is pinned.
"""

from weir_probe.keeper.agent_side import Keeping
from weir_probe.keeper.channel import ENVIRONMENT, MAX_DESCRIPTORS, MAX_METADATA_BYTES, KeeperError
from weir_probe.keeper.parent import keep

__all__ = ["ENVIRONMENT", "MAX_DESCRIPTORS", "MAX_METADATA_BYTES", "KeeperError", "Keeping", "keep"]
