"""AWS Signature Version 4 seen from the server: is a request signed by this key? What it asks for may never enter here.

The algorithm is in the AWS General Reference, "Signature Version 4 signing process".
"""

import hashlib
import hmac
import re
from urllib.parse import quote

from attrs import field, frozen
from werkzeug.wrappers import Request

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 "
    r"Credential=(?P<key>[^/,]+)/(?P<date>\d{8})/(?P<region>[^/,]+)/(?P<service>[^/,]+)/aws4_request, ?"
    r"SignedHeaders=(?P<headers>[^,]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)


@frozen
class Signature:
    """What the Authorization header of a request says."""

    access_key_id: str
    date: str
    region: str
    service: str
    signed_headers: str
    signature: str = field(repr=False)

    def is_made_with(self, secret_access_key: str, request: Request) -> bool:
        """Whether this is the signature of the request under that key."""
        key = f"AWS4{secret_access_key}".encode()
        for part in (self.date, self.region, self.service, "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        scope = f"{self.date}/{self.region}/{self.service}/aws4_request"
        hashed = hashlib.sha256(self._canonical(request).encode()).hexdigest()
        signed = "\n".join(("AWS4-HMAC-SHA256", request.headers.get("X-Amz-Date", ""), scope, hashed))
        return hmac.compare_digest(hmac.digest(key, signed.encode(), "sha256").hex(), self.signature)

    def _canonical(self, request: Request) -> str:
        query = "&".join(
            f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in sorted(request.args.items(multi=True))
        )
        headers = "".join(
            f"{name}:{' '.join(request.headers.get(name, '').split())}\n" for name in self.signed_headers.split(";")
        )
        payload = hashlib.sha256(request.get_data()).hexdigest()
        return "\n".join((request.method, quote(request.path), query, headers, self.signed_headers, payload))


def read_signature(request: Request) -> Signature | None:
    """Read the Authorization header; None when there is none of this kind."""
    match = _AUTHORIZATION.fullmatch(request.headers.get("Authorization", ""))
    return Signature(*match.groups()) if match else None
