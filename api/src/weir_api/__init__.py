"""Weir's contract: the resources in `weir.dev/v1alpha1`, the plan, the report and the flow record.

Depends on pydantic alone. The CRDs, their reference pages and every part's view of a resource come from these models.
"""

from typing import Final

GROUP: Final = "weir.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
