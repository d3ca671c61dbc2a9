"""What the replicas of the operator share beside the Lease: a Secret and a ConfigMap, which its manifests make empty.

The operator may change these two and make none: whoever may create Secrets in a namespace can have a token of each of
its service accounts made in one.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Final

from weir_operator.cluster.api import CONFIG_MAPS, SECRETS, Api, ApiError, Raw, Resource

SECRET: Final = "weir-identity-tls"  # noqa: S105 # a name
CONFIG_MAP: Final = "weir-identity-ca"


class SharedObject:
    """A Secret or ConfigMap as it was last read."""

    def __init__(self, api: Api, resource: Resource, namespace: str, name: str) -> None:
        self._api = api
        self._resource = resource
        self._path = resource.path(namespace, name)
        self._held: Raw = {}

    async def read(self) -> dict[str, str]:
        """Its data. Raises ApiError (404: the manifests were not applied) or UnreachableError."""
        self._held = await self._api.request("GET", self._path)
        data = self._held.get("data") or {}
        return {key: _decoded(value) if self._resource is SECRETS else str(value) for key, value in data.items()}

    async def write(self, data: Mapping[str, str]) -> bool:
        """Replace its data; False where another replica changed it since it was read.

        Raises ApiError or UnreachableError.
        """
        coded = {k: base64.b64encode(v.encode()).decode() for k, v in data.items()}
        content = {**self._held, "data": coded if self._resource is SECRETS else dict(data)}
        try:
            # with the resourceVersion that was read: the server refuses what would overwrite a newer one
            self._held = await self._api.request("PUT", self._path, body=content)
        except ApiError as error:
            if error.status == 409:
                return False
            raise
        return True


def secret(api: Api, namespace: str) -> SharedObject:
    """The authorities' and the serving key."""
    return SharedObject(api, SECRETS, namespace, SECRET)


def config_map(api: Api, namespace: str) -> SharedObject:
    """What clients trust."""
    return SharedObject(api, CONFIG_MAPS, namespace, CONFIG_MAP)


def _decoded(value: object) -> str:
    try:
        return base64.b64decode(str(value)).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
