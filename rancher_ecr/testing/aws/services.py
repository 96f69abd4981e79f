"""What each service of the double answers, in its own protocol, after botocore's models. No socket is in here."""

import base64
import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol
from xml.sax.saxutils import escape

from werkzeug.wrappers import Request, Response

from rancher_ecr.testing.aws.faults import AWSError
from rancher_ecr.testing.aws.keys import Dialect, KeyRing, Keys


class Service(Protocol):
    """One of the things that AWS is."""

    def serves(self, request: Request) -> bool:
        """Whether the request is for this service."""

    def read(self, request: Request) -> tuple[str, Mapping[str, Any]]:
        """Return the operation and its parameters."""

    def answer(self, request: Request, operation: str, parameters: Mapping[str, Any]) -> Response:
        """Answer, or raise AWSError."""

    def refuse(self, problem: AWSError) -> Response:
        """Tell an error in the service's protocol."""


class ECR:
    """GetAuthorizationToken, in the protocol `json` 1.1."""

    _TARGET = "AmazonEC2ContainerRegistry_V20150921."
    _IDS_AT_MOST = 10
    _ID_LENGTH = 12
    _DIALECT = Dialect(
        missing="MissingAuthenticationTokenException",
        unknown="UnrecognizedClientException",
        expired="ExpiredTokenException",
        signature="InvalidSignatureException",
        status=400,
    )

    def __init__(
        self,
        ring: KeyRing,
        now: Callable[[], datetime],
        lifetime: timedelta,
        password_length: int,
        denied_ids: frozenset[str],
    ) -> None:
        self.passwords: list[str] = []
        self._ring = ring
        self._now = now
        self._lifetime = lifetime
        self._password_length = password_length
        self._denied_ids = denied_ids

    def serves(self, request: Request) -> bool:
        """Whether the request names an operation of ECR."""
        return request.headers.get("X-Amz-Target", "").startswith(self._TARGET)

    def read(self, request: Request) -> tuple[str, Mapping[str, Any]]:
        """Read the target header and the JSON body."""
        return request.headers["X-Amz-Target"].removeprefix(self._TARGET), json.loads(request.get_data())

    def answer(self, request: Request, operation: str, parameters: Mapping[str, Any]) -> Response:
        """Give logins, one for each id; one id that is refused refuses the call."""
        if operation != "GetAuthorizationToken":
            raise AWSError("UnknownOperationException", 404, "The double has no such operation.")
        signature, keys = self._ring.authenticate(request, self._DIALECT)
        ids = parameters.get("registryIds", [keys.account_id])
        if not 1 <= len(ids) <= self._IDS_AT_MOST or not all(map(self._is_account_id, ids)):
            raise AWSError("InvalidParameterException", 400, "registryIds: 1 to 10 ids of twelve digits.")
        if refused := [one for one in ids if one in self._denied_ids]:
            message = f"User: {keys.arn} is not authorized to perform: ecr:GetAuthorizationToken on {refused[0]}"
            raise AWSError("AccessDeniedException", 400, message)
        return self._json({"authorizationData": [self._login(one, signature.region) for one in ids]})

    def refuse(self, problem: AWSError) -> Response:
        """Tell the code in `__type`."""
        return self._json({"__type": problem.code, "message": problem.message}, problem.status)

    def _login(self, account_id: str, region: str) -> dict[str, Any]:
        password = self._ring.secret(self._password_length)
        self.passwords.append(password)
        suffix = {"cn": "amazonaws.com.cn", "eusc": "amazonaws.eu"}.get(region.partition("-")[0], "amazonaws.com")
        return {
            "authorizationToken": base64.b64encode(f"AWS:{password}".encode()).decode(),
            "expiresAt": (self._now() + self._lifetime).timestamp(),
            "proxyEndpoint": f"https://{account_id}.dkr.ecr.{region}.{suffix}",
        }

    def _is_account_id(self, text: object) -> bool:
        return isinstance(text, str) and len(text) == self._ID_LENGTH and text.isascii() and text.isdigit()

    @staticmethod
    def _json(content: Mapping[str, Any], status: int = 200) -> Response:
        return Response(json.dumps(content), status, mimetype="application/x-amz-json-1.1")


class STS:
    """AssumeRole, AssumeRoleWithWebIdentity and GetCallerIdentity, in the protocol `query`."""

    _NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"
    _REQUEST_ID = "00000000-0000-4000-8000-000000000000"
    _DIALECT = Dialect(
        missing="MissingAuthenticationToken",
        unknown="InvalidClientTokenId",
        expired="ExpiredToken",
        signature="SignatureDoesNotMatch",
        status=403,
    )

    def __init__(self, ring: KeyRing, external_id: str | None) -> None:
        self.web_identity_token = ring.secret(800)
        self._ring = ring
        self._external_id = external_id

    def serves(self, request: Request) -> bool:
        """Whether the request is a form with an action."""
        return "Action" in request.form

    def read(self, request: Request) -> tuple[str, Mapping[str, Any]]:
        """Read the form."""
        return request.form["Action"], request.form.to_dict()

    def answer(self, request: Request, operation: str, parameters: Mapping[str, Any]) -> Response:
        """Give credentials of a role, or say who asks."""
        match operation:
            case "AssumeRole":
                result = self._assume_role(request, parameters)
            case "AssumeRoleWithWebIdentity":
                result = self._assume_role_with_web_identity(parameters)
            case "GetCallerIdentity":
                _, keys = self._ring.authenticate(request, self._DIALECT)
                result = {"UserId": "AIDADOUBLE", "Account": keys.account_id, "Arn": keys.arn}
            case _:
                raise AWSError("InvalidAction", 400, "The double has no such operation.")
        metadata = {"RequestId": self._REQUEST_ID}
        return self._xml(f"{operation}Response", {f"{operation}Result": result, "ResponseMetadata": metadata})

    def refuse(self, problem: AWSError) -> Response:
        """Tell the code in an ErrorResponse."""
        details = {"Type": "Sender", "Code": problem.code, "Message": problem.message}
        return self._xml("ErrorResponse", {"Error": details, "RequestId": self._REQUEST_ID}, problem.status)

    def _assume_role(self, request: Request, parameters: Mapping[str, Any]) -> dict[str, Any]:
        _, keys = self._ring.authenticate(request, self._DIALECT)
        if self._external_id is not None and parameters.get("ExternalId") != self._external_id:
            message = f"User: {keys.arn} is not authorized to perform: sts:AssumeRole on {parameters['RoleArn']}"
            raise AWSError("AccessDenied", 403, message)
        return self._assumed(parameters)

    def _assume_role_with_web_identity(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        if parameters.get("WebIdentityToken") != self.web_identity_token:
            raise AWSError("InvalidIdentityToken", 400, "The web identity token is none that the provider signed.")
        return {
            **self._assumed(parameters),
            "SubjectFromWebIdentityToken": "system:serviceaccount:default:rancher-ecr",
            "Provider": f"arn:aws:iam::{self._ring.account_id}:oidc-provider/oidc.example.com",
            "Audience": "sts.amazonaws.com",
        }

    def _assumed(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        account_id, role = parameters["RoleArn"].split(":", 5)[4:]
        name = parameters["RoleSessionName"]
        keys = self._ring.issue_session(f"arn:aws:sts::{account_id}:assumed-role/{role.rpartition('/')[2]}/{name}")
        credentials = _credentials(keys)
        credentials["SessionToken"] = credentials.pop("Token")
        return {"Credentials": credentials, "AssumedRoleUser": {"AssumedRoleId": f"AROADOUBLE:{name}", "Arn": keys.arn}}

    def _xml(self, root: str, content: Mapping[str, Any], status: int = 200) -> Response:
        text = f'<{root} xmlns="{self._NAMESPACE}">{_elements(content)}</{root}>'
        return Response(text, status, mimetype="text/xml")


class InstanceMetadata:
    """The instance profile's credentials over IMDS version 2; version 1 is refused."""

    _TOKEN = "/latest/api/token"
    _ROLES = "/latest/meta-data/iam/security-credentials/"
    _ROLE = "instance-role"

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring
        self._token = ring.secret(56)

    def serves(self, request: Request) -> bool:
        """Whether the path is one of IMDS."""
        return request.path.startswith("/latest/")

    def read(self, request: Request) -> tuple[str, Mapping[str, Any]]:
        """Tell asking for a token from asking for data."""
        operation = "InstanceMetadataToken" if request.path == self._TOKEN else "InstanceMetadata"
        return operation, {"method": request.method, "path": request.path}

    def answer(self, request: Request, operation: str, parameters: Mapping[str, Any]) -> Response:  # noqa: ARG002  # see Service
        """Give a token to a PUT, and data to who brings it."""
        if operation == "InstanceMetadataToken":
            if request.method != "PUT" or "X-aws-ec2-metadata-token-ttl-seconds" not in request.headers:
                raise AWSError("BadRequest", 400)
            return Response(self._token)
        if request.headers.get("X-aws-ec2-metadata-token") != self._token:
            raise AWSError("Unauthorized", 401)
        if request.path == self._ROLES:
            return Response(self._ROLE)
        if request.path != self._ROLES + self._ROLE:
            raise AWSError("NotFound", 404)
        content = {"Code": "Success", "Type": "AWS-HMAC", **_credentials(self._ring.rotate(self._ROLE))}
        return Response(json.dumps(content), mimetype="text/plain")

    def refuse(self, problem: AWSError) -> Response:
        """Tell the status and nothing else that a client reads."""
        return Response(problem.code, problem.status)


class ContainerCredentials:
    """The credentials endpoint of ECS tasks and EKS pods; any path that is nothing else's."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring
        self.token = ring.secret(64)

    def serves(self, request: Request) -> bool:  # noqa: ARG002  # see Service
        """Serve what is left."""
        return True

    def read(self, request: Request) -> tuple[str, Mapping[str, Any]]:
        """There is one operation."""
        return "ContainerCredentials", {"path": request.path}

    def answer(self, request: Request, operation: str, parameters: Mapping[str, Any]) -> Response:  # noqa: ARG002  # see Service
        """Give the task's credentials to who brings the token."""
        if request.headers.get("Authorization") != self.token:
            raise AWSError("Unauthorized", 401)
        keys = self._ring.rotate("task-role")
        content = {"RoleArn": f"arn:aws:iam::{keys.account_id}:role/task-role", **_credentials(keys)}
        return Response(json.dumps(content), mimetype="application/json")

    def refuse(self, problem: AWSError) -> Response:
        """Tell code and message."""
        content = {"code": problem.code, "message": problem.message}
        return Response(json.dumps(content), problem.status, mimetype="application/json")


def _credentials(keys: Keys) -> dict[str, str]:
    assert keys.expires_at is not None
    assert keys.session_token is not None
    return {
        "AccessKeyId": keys.access_key_id,
        "SecretAccessKey": keys.secret_access_key,
        "Token": keys.session_token,
        "Expiration": f"{keys.expires_at:%Y-%m-%dT%H:%M:%SZ}",
    }


def _elements(content: Mapping[str, Any]) -> str:
    return "".join(
        f"<{name}>{_elements(value) if isinstance(value, Mapping) else escape(str(value))}</{name}>"
        for name, value in content.items()
    )
