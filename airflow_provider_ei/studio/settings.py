"""Settings of the client: base URL, key, timeouts, retries."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from airflow_provider_ei.exceptions import EdgeImpulseConfigError
from airflow_provider_ei.redaction import know_secret, looks_like_key
from airflow_provider_ei.studio.known_service import DEFAULT_SETTLE_SECONDS, NOTHING_KNOWN, KnownService

DEFAULT_BASE_URL = "https://studio.edgeimpulse.com/v1"

#: Default read timeout of the ingestion service in seconds: as long as the official command line waits.
INGESTION_READ_TIMEOUT = 1200.0

#: Maximum of each duration in seconds: one day. The operating system's own limits are only slightly higher.
MAX_SECONDS = 86_400.0

#: Smallest and largest value of each number.
_LIMITS: dict[str, tuple[float, float]] = {
    "connect_timeout": (0.001, MAX_SECONDS),
    "write_timeout": (0.001, MAX_SECONDS),
    "read_timeout": (0.001, MAX_SECONDS),
    "retry_attempts": (1, 1000),
    "retry_wait": (0, MAX_SECONDS),
    "settle_seconds": (0, MAX_SECONDS),
    "throttle_patience": (0, MAX_SECONDS),
    "batch_files": (1, 10_000),
    "batch_bytes": (1, 2**40),
}


@dataclass(frozen=True, kw_only=True)
class StudioSettings:
    """The settings of a client; times are in seconds.

    :param api_key: key of an organization (``ei_…``), sent as ``x-api-key``; never part of the repr.
    :param base_url: Studio's base URL; white-label customers have their own. See :func:`parse_base_url`.
    :param connect_timeout: for the TCP and TLS handshakes.
    :param write_timeout: how long sending one block of 128 KiB may take; not the whole upload.
    :param read_timeout: seconds from the end of sending until the response is complete; for a download, until the next
        128 KiB have arrived.
    :param retry_attempts: maximum number of tries of a request.
    :param retry_wait: base of the exponential backoff between tries.
    :param settle_seconds: how long to wait before checking whether an upload without a response has arrived.
    :param throttle_patience: how long the service may refuse every request because of throttling before that is an
        error. The default outlasts limits per minute and per five minutes.
    :param batch_files: maximum number of files in one request; the API accepts 10,000.
    :param batch_bytes: maximum number of bytes of files in one request; a larger file is sent alone.
    :param service: what a check has found out about the service.
    """

    api_key: str = field(repr=False)
    base_url: str = DEFAULT_BASE_URL
    connect_timeout: float = 15.0
    write_timeout: float = 60.0
    read_timeout: float = 300.0
    retry_attempts: int = 4
    retry_wait: float = 1.0
    settle_seconds: float = DEFAULT_SETTLE_SECONDS
    throttle_patience: float = 600.0
    batch_files: int = 10_000
    batch_bytes: int = 256 * 1024 * 1024
    service: KnownService = NOTHING_KNOWN

    def __post_init__(self) -> None:
        # For an invalid character, http.client would raise an error that quotes the key.
        if not self.api_key or not all("!" <= character <= "~" for character in self.api_key):
            raise EdgeImpulseConfigError(
                "Copy the API key again from Studio (organization, API keys): it is empty or has characters that no "
                "Edge Impulse key has, such as spaces, line breaks or non-ASCII letters."
            )
        know_secret(self.api_key)
        for name, (least, most) in _LIMITS.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
                raise EdgeImpulseConfigError(f"{name} must be a number from {least:g} to {most:g}, not {value!r}.")

    @property
    def web_url(self) -> str:
        """Address of Studio's pages: the base URL without the API's version (``/v1``)."""
        return self.base_url.removesuffix("/v1")

    def for_one_try(self, max_timeout: float) -> StudioSettings:
        """Return the same settings with one try per request and short timeouts.

        :param max_timeout: maximum of each timeout in seconds.
        """
        return replace(
            self,
            retry_attempts=1,
            throttle_patience=0.0,
            connect_timeout=min(self.connect_timeout, max_timeout),
            write_timeout=min(self.write_timeout, max_timeout),
            read_timeout=min(self.read_timeout, max_timeout),
        )

    def for_ingestion(self, base_url: str) -> StudioSettings:
        """Return the same settings for the ingestion service, with a longer read timeout unless it was changed.

        :param base_url: of the ingestion service.
        """
        is_default = self.read_timeout == StudioSettings.read_timeout
        read_timeout = INGESTION_READ_TIMEOUT if is_default else self.read_timeout
        return replace(self, base_url=base_url, read_timeout=read_timeout)

    def data_url(self, organization_id: int) -> str:
        """Return the page of an organization's data in Studio."""
        return f"{self.web_url}/organization/{organization_id}/data"


def parse_base_url(text: str | None, *, port: int | None = None) -> str:
    """Return Studio's base URL for the host of a connection.

    An empty host means Edge Impulse itself. The default scheme is ``https``, the default path ``/v1``. ``port`` is used
    if the host contains no port.

    :raises EdgeImpulseConfigError: when it is not an http(s) URL, or has a user, a query or a fragment.
    """
    text = (text or "").strip()
    if not text:
        return DEFAULT_BASE_URL
    url = text if "://" in text else f"https://{text}"
    advice = f"Write the base URL of Studio, such as {DEFAULT_BASE_URL}, into Host of the connection"
    try:
        parts = urlsplit(url)
        host, own_port = parts.hostname, parts.port
    except ValueError as error:
        shown = "it" if "@" in text else repr(text)
        raise EdgeImpulseConfigError(f"{advice}: {shown} is not a URL: {error}.") from None
    if "@" in parts.netloc:
        # Not shown: the part before the @ is probably a secret.
        raise EdgeImpulseConfigError(f"{advice}: it carries a user or password.")
    if looks_like_key(url):
        raise EdgeImpulseConfigError(
            f"Put the API key into Password (API key) of the connection: it is in Host (Studio base URL). {advice}."
        )
    if parts.scheme not in ("http", "https") or not host or any(c.isspace() for c in url):
        raise EdgeImpulseConfigError(f"{advice}: {text!r} is not an http(s) URL.")
    if parts.query or parts.fragment:
        raise EdgeImpulseConfigError(f"{advice}: {text!r} has a query or fragment.")
    if ":" in host:
        host = f"[{host}]"
    if own_port or port:
        host = f"{host}:{own_port or port}"
    return f"{parts.scheme}://{host}{parts.path.rstrip('/') or '/v1'}"
