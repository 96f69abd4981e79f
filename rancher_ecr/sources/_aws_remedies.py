"""What to tell the operator about each AWS error, and what it is about. Data only; who reads it is `_aws_errors`."""

import enum


class Blame(enum.Enum):
    """What a failure is about, so that the caller knows what else it may try."""

    CREDENTIALS = "credentials"
    """There are none, or AWS knows them not or no longer. Other requests fail alike; new credentials may help."""
    REQUEST = "request"
    """This request or its answer. Another one may go well."""
    SERVICE = "service"
    """Network, throttling, AWS's own failure. Other requests probably fail alike."""


ACTIONS = {
    "GetAuthorizationToken": "ecr:GetAuthorizationToken",
    "AssumeRole": "sts:AssumeRole",
    "AssumeRoleWithWebIdentity": "sts:AssumeRoleWithWebIdentity",
    "GetRoleCredentials": "sso:GetRoleCredentials",
}
"""The IAM action of each operation that is called, the credentials chain's included."""

CLOCK = "this machine's clock is more than five minutes off; set it, such as by NTP"
THROTTLED = "AWS throttles {action}; it is tried again, and fewer callers in this account help"
OUTAGE = "AWS could not answer {action}; it is tried again"
REFUSED = "AWS refused {action}; its own words say why"
NOT_AWS = "perhaps what answered is not AWS: look at AWS_ECR_ENDPOINT_URL, HTTPS_PROXY and what else is on the way"
GARBLED_CREDENTIALS = (
    "the source of the AWS credentials answered with something else; look at the profile's credential_process, at the "
    "container's or instance's endpoint, at the way to STS (HTTPS_PROXY, AWS_ENDPOINT_URL_STS) and at ~/.aws"
)

SIGNATURE_CODES = {"SignatureDoesNotMatch", "InvalidSignatureException"}
CLOCK_CODES = {"RequestExpired", "RequestTimeTooSkewed", "RequestInTheFuture"}
THROTTLING_CODES = {
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottled",
    "RequestThrottledException",
    "RequestLimitExceeded",
    "TooManyRequestsException",
    "LimitExceededException",
    "BandwidthLimitExceeded",
    "SlowDown",
}

_KEYS = (
    "AWS does not know these keys: AWS_ACCESS_KEY_ID is wrong, deleted, inactive or from another partition, or its "
    "AWS_SESSION_TOKEN is missing or left over"
)
_DENIED = (
    "the principal may not do {action}; allow this IAM action on it (for a role also in the role's trust policy, with "
    "AWS_ROLE_EXTERNAL_ID if it asks for one)"
)
_EXPIRED = (
    "the session token or web identity token has expired; give a new one, or let the credentials renew themselves"
)
_SIGNATURE = (
    "AWS_SECRET_ACCESS_KEY does not belong to AWS_ACCESS_KEY_ID, or this machine's clock is off, or a proxy changes "
    "the request"
)
_IDENTITY = (
    "AWS did not accept the token in AWS_WEB_IDENTITY_TOKEN_FILE; look at the identity provider and the trust policy "
    "of AWS_ROLE_ARN"
)
_LOGIN = "the login behind the profile has ended; log in again, or give a service a role of its own"
_VALUE = "AWS does not accept a value of {action}; look at AWS_ECR_REGISTRY_IDS, AWS_ROLE_ARN and its companions"
_STS_REGION = "this region's STS is not activated in the account; activate it, or choose another AWS_REGION"

CODES: dict[str, tuple[Blame, str]] = {
    "AccessDenied": (Blame.REQUEST, _DENIED),
    "NotAuthorized": (Blame.REQUEST, _DENIED),
    "UnauthorizedOperation": (Blame.REQUEST, _DENIED),
    "OptInRequired": (Blame.REQUEST, _DENIED),
    "ExpiredToken": (Blame.CREDENTIALS, _EXPIRED),
    "UnrecognizedClient": (Blame.CREDENTIALS, _KEYS),
    "InvalidClientTokenId": (Blame.CREDENTIALS, _KEYS),
    "InvalidAccessKeyId": (Blame.CREDENTIALS, _KEYS),
    "InvalidToken": (Blame.CREDENTIALS, _KEYS),
    "AuthFailure": (Blame.CREDENTIALS, _KEYS),
    "SignatureDoesNotMatch": (Blame.CREDENTIALS, _SIGNATURE),
    "InvalidSignature": (Blame.CREDENTIALS, _SIGNATURE),
    "IncompleteSignature": (Blame.CREDENTIALS, _SIGNATURE),
    "MissingAuthenticationToken": (Blame.CREDENTIALS, _SIGNATURE),
    "InvalidIdentityToken": (Blame.CREDENTIALS, _IDENTITY),
    "IDPRejectedClaim": (Blame.CREDENTIALS, _IDENTITY),
    "IDPCommunicationError": (Blame.CREDENTIALS, _IDENTITY),
    "Unauthorized": (Blame.CREDENTIALS, _LOGIN),
    "RegionDisabled": (Blame.SERVICE, _STS_REGION),
    "InvalidParameter": (Blame.REQUEST, _VALUE),
    "InvalidParameterValue": (Blame.REQUEST, _VALUE),
    "Validation": (Blame.REQUEST, _VALUE),
    "ValidationError": (Blame.REQUEST, _VALUE),
}
"""By error code, less an `Exception` at its end: ECR and STS name one thing with and without."""

_NO_CREDENTIALS = (
    "no AWS credentials: neither AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY, nor a web identity token, nor a profile "
    "in the shared files, nor a container's role, nor an EC2 instance's profile gave any; in a container on EC2 the "
    "instance needs an IMDSv2 hop limit of 2, and with HTTP_PROXY set NO_PROXY=169.254.169.254"
)
_METADATA = (
    "the instance's or container's credentials endpoint gave none; on EC2 look at the instance profile, the IMDSv2 hop "
    "limit (2 for containers) and, with HTTP_PROXY set, NO_PROXY=169.254.169.254"
)
_PARTIAL = "half of the AWS credentials is missing; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY together"
_NETWORK = (
    "AWS is not reached; look at the network, at AWS_REGION (a region that does not exist has no host), at "
    "HTTPS_PROXY, NO_PROXY and AWS_ECR_ENDPOINT_URL"
)
_TLS = "TLS failed; look at AWS_CA_BUNDLE and at what intercepts TLS on the way"
_PROXY = "the proxy is not reached; look at HTTPS_PROXY and NO_PROXY"
_REGION = "there is no such endpoint; look at AWS_REGION and the AWS_USE_…_ENDPOINT variables"
_FILES = "the AWS configuration is wrong; look at AWS_PROFILE, AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE"
_PARAMETER = "a value is not what AWS takes; look at AWS_ECR_REGISTRY_IDS, AWS_ROLE_ARN and AWS_ROLE_SESSION_NAME"
_PATH = "a file or command that the AWS settings name is no use; look at its path and rights"
_PACKAGE = "botocore lacks a package for this kind of credentials; install it, such as by pip install 'botocore[crt]'"

EXCEPTIONS: dict[str, tuple[Blame | None, str]] = {
    "NoCredentialsError": (Blame.CREDENTIALS, _NO_CREDENTIALS),
    "PartialCredentialsError": (Blame.CREDENTIALS, _PARTIAL),
    "CredentialRetrievalError": (Blame.CREDENTIALS, GARBLED_CREDENTIALS),
    "MetadataRetrievalError": (Blame.CREDENTIALS, _METADATA),
    "InvalidIMDSEndpointError": (Blame.CREDENTIALS, "look at AWS_EC2_METADATA_SERVICE_ENDPOINT"),
    "InvalidIMDSEndpointModeError": (Blame.CREDENTIALS, "look at AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"),
    "TimeoutExpired": (Blame.CREDENTIALS, "the profile's credential_process did not end in time; run it by hand"),
    "RefreshWithMFAUnsupportedError": (Blame.CREDENTIALS, "a service cannot type MFA codes; use a role without MFA"),
    "SSOError": (Blame.CREDENTIALS, _LOGIN),
    "LoginError": (Blame.CREDENTIALS, _LOGIN),
    "TokenRetrievalError": (Blame.CREDENTIALS, _LOGIN),
    "NoAuthTokenError": (Blame.CREDENTIALS, _LOGIN),
    "ProfileNotFound": (Blame.CREDENTIALS, "there is no such profile; look at AWS_PROFILE and the files in ~/.aws"),
    "ConfigNotFound": (Blame.CREDENTIALS, _FILES),
    "ConfigParseError": (Blame.CREDENTIALS, _FILES),
    "InvalidConfigError": (Blame.CREDENTIALS, _FILES),
    "UnknownCredentialError": (Blame.CREDENTIALS, _FILES),
    "MissingDependencyException": (Blame.CREDENTIALS, _PACKAGE),
    "ResponseParserError": (Blame.REQUEST, NOT_AWS),
    "ParamValidationError": (Blame.REQUEST, _PARAMETER),
    "ValidationError": (Blame.REQUEST, _PARAMETER),
    "SSLError": (Blame.SERVICE, _TLS),
    "ProxyConnectionError": (Blame.SERVICE, _PROXY),
    "ProxyError": (Blame.SERVICE, _PROXY),
    "InvalidProxiesConfigError": (Blame.SERVICE, _PROXY),
    "ConnectionError": (Blame.SERVICE, _NETWORK),
    "HTTPClientError": (Blame.SERVICE, _NETWORK),
    "HTTPError": (Blame.SERVICE, _NETWORK),
    "TimeoutError": (Blame.SERVICE, _NETWORK),
    "gaierror": (Blame.SERVICE, _NETWORK),
    "CapacityNotAvailableError": (Blame.SERVICE, "botocore holds back after many failures; it is tried again"),
    "NoRegionError": (Blame.SERVICE, "name a region in AWS_REGION"),
    "UnknownRegionError": (Blame.SERVICE, _REGION),
    "InvalidRegionError": (Blame.SERVICE, _REGION),
    "ServiceNotInRegionError": (Blame.SERVICE, _REGION),
    "BaseEndpointResolverError": (Blame.SERVICE, _REGION),
    "EndpointProviderError": (Blame.SERVICE, _REGION),
    "InvalidEndpointConfigurationError": (Blame.SERVICE, _REGION),
    "InvalidRetryConfigurationError": (Blame.SERVICE, "look at AWS_RETRY_MODE and AWS_MAX_ATTEMPTS"),
    "DataNotFoundError": (Blame.SERVICE, "the installation of botocore is damaged or too old; install it again"),
    "OSError": (Blame.CREDENTIALS, _PATH),
    "BotoCoreError": (None, "botocore cannot work with its settings; look at the AWS_… variables and the profile"),
}
"""By the name of the class or of one of its bases: older botocores lack some, and builtins share some.

None: whoever called knows better what it is about.
"""
