"""Where the servers are, what to trust, and who to be.

In: what a program passes, the folder of a user's Secret, or the environment. Out: `Settings`, read anew
for each connection, so that a Secret that changed is noticed. TLS is never off: without an authority's
certificate there are no settings, only a `ConfigurationError` that says where it was looked for.
"""

from __future__ import annotations

import dataclasses
import os
import ssl
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from . import queues
from .errors import ConfigurationError

MOUNTED_SECRET = Path("/var/run/svom")
"""Where a user's Secret is looked for when nothing names a folder."""
STATE_FOLDER = ".svom"
"""The folder that `svom-messaging local up` makes."""
DEFAULT_PORT = 4222
DEFAULT_DOMAIN = "svom"

_CREDENTIALS = "pass user and password, or user and nkey"


@dataclasses.dataclass(frozen=True)
class Settings:
    """What a connection needs."""

    servers: tuple[str, ...]
    """URLs, such as tls://127.0.0.1:4222."""
    ca: Path
    user: str = ""
    password: str | None = dataclasses.field(default=None, repr=False)
    seed: str | None = dataclasses.field(default=None, repr=False)
    cert: Path | None = None
    key: Path | None = None
    domain: str = DEFAULT_DOMAIN
    """JetStream domain."""

    def tls(self) -> ssl.SSLContext:
        """A context that trusts the authority, and nothing else."""
        try:
            context = ssl.create_default_context(cafile=str(self.ca))
        except (OSError, ssl.SSLError) as problem:
            raise ConfigurationError(
                f"the authority's certificate {self.ca} cannot be used: {_why(problem)}; pass ca=, the "
                "file ca.crt of the user's Secret"
            ) from None
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.cert is not None:
            try:
                context.load_cert_chain(self.cert, self.key)
            except (OSError, ssl.SSLError) as problem:
                raise ConfigurationError(
                    f"the client's certificate {self.cert} with the key {self.key} cannot be used: {_why(problem)}"
                ) from None
        return context


Source = Callable[[], Settings]
"""Gives the settings as they are now."""


@dataclasses.dataclass(frozen=True)
class Given:
    """What a program passes."""

    host: str | Sequence[str] = "127.0.0.1"
    port: int = DEFAULT_PORT
    user: str | None = None
    password: str | None = dataclasses.field(default=None, repr=False)
    ca: str | os.PathLike[str] | None = None
    cert: str | os.PathLike[str] | None = None
    key: str | os.PathLike[str] | None = None
    nkey: str | os.PathLike[str] | None = dataclasses.field(default=None, repr=False)
    domain: str = DEFAULT_DOMAIN

    def __call__(self) -> Settings:
        """The settings, with the authority's certificate found where none was passed."""
        if (self.password is None) == (self.nkey is None):
            raise ConfigurationError(f"a user shows either a password or an NKey: {_CREDENTIALS}")
        if self.password is not None and not self.user:
            raise ConfigurationError(f"the password is nobody's: {_CREDENTIALS}")
        if (self.cert is None) != (self.key is None):
            raise ConfigurationError("a client's certificate and its key come together: pass cert and key")
        servers = _servers(self.host, self.port)
        ca = Path(self.ca) if self.ca is not None else find_ca(self.user)
        return Settings(
            servers=_with_neighbours(servers, ca.parent),
            ca=ca,
            user=self.user or "",
            password=self.password,
            seed=None if self.nkey is None else _seed(self.nkey),
            cert=None if self.cert is None else Path(self.cert),
            key=None if self.key is None else Path(self.key),
            domain=self.domain,
        )


@dataclasses.dataclass(frozen=True)
class Secret:
    """The folder of a user's Secret."""

    folder: Path

    def __call__(self) -> Settings:
        """The settings, of one version of the Secret."""
        # A mounted Secret changes by one link: behind it all files are of the same version.
        link = self.folder / "..data"
        try:
            folder = link.resolve(strict=True) if link.is_symlink() else self.folder
            names = {entry.name for entry in folder.iterdir()}
        except OSError as problem:
            raise ConfigurationError(
                f"the Secret's folder {self.folder} cannot be read: {problem.strerror}; mount the user's "
                f"Secret there, or pass the folder that `svom-messaging local up` made for the user"
            ) from None

        def text(name: str) -> str:
            if name not in names:
                raise ConfigurationError(f"{self.folder} is no user's Secret: it holds no {name}")
            return _read(folder / name)

        if "password" not in names and "nkey.seed" not in names:
            raise ConfigurationError(
                f"{self.folder} holds neither password nor nkey.seed: the user keeps its NKey's seed to "
                "itself, so pass host, user and nkey"
            )
        text("ca.crt")
        return Settings(
            servers=_urls(text("url")),
            ca=folder / "ca.crt",
            user=text("username").strip(),
            password=text("password") if "password" in names else None,
            seed=text("nkey.seed").strip() if "nkey.seed" in names else None,
            cert=folder / "tls.crt" if "tls.crt" in names else None,
            key=folder / "tls.key" if "tls.crt" in names else None,
            domain=text("jetstream-domain").strip() if "jetstream-domain" in names else DEFAULT_DOMAIN,
        )


@dataclasses.dataclass(frozen=True)
class Environment:
    """What `svom-messaging local env` prints."""

    variables: Mapping[str, str] = dataclasses.field(repr=False)

    def __call__(self) -> Settings:
        """The settings."""
        url = self.variables.get("NATS_URL")
        if not url:
            raise ConfigurationError('NATS_URL is not set: run eval "$(svom-messaging local env USER)", or set it')
        ca, user = self.variables.get("NATS_CA"), self._user()
        given = Given(
            user=user,
            password=self.variables.get("NATS_PASSWORD"),
            ca=ca or find_ca(user, self.variables),
            cert=self.variables.get("NATS_CERT"),
            key=self.variables.get("NATS_KEY"),
            nkey=self.variables.get("NATS_NKEY"),
        )
        return dataclasses.replace(given(), servers=_urls(url))

    def _user(self) -> str | None:
        name = self.variables.get("NATS_USER")
        if name:
            return name
        # A user with an NKey names itself by its key; its name lies beside the key.
        beside = self.variables.get("NATS_NKEY")
        file = Path(beside).parent / "username" if beside else None
        return _read(file).strip() if file is not None and file.exists() else None


def find_ca(user: str | None, variables: Mapping[str, str] | None = None) -> Path:
    """The authority's certificate, where nothing names it.

    In this order: the variable NATS_CA; the mounted Secret; and in this folder and those above it the
    folder of `svom-messaging local up`, unless it belongs to somebody else.
    """
    named = (os.environ if variables is None else variables).get("NATS_CA")
    if named:
        return Path(named)
    looked: list[str] = []
    for place in _places(user):
        if not place.is_file():
            looked.append(str(place))
        elif _is_anothers(place):
            looked.append(f"{place} (which belongs to somebody else)")
        else:
            return place
    raise ConfigurationError(
        "the authority's certificate is not found, and without it no server can be trusted: pass ca=, the "
        f"file ca.crt of the user's Secret. Looked for in NATS_CA (not set), {', '.join(looked)}"
    )


def _places(user: str | None) -> Iterable[Path]:
    yield MOUNTED_SECRET / "ca.crt"
    try:
        here = Path.cwd()
    except OSError:
        return
    for folder in (here, *here.parents):
        state = folder / STATE_FOLDER
        if folder == here or state.is_dir():
            if user:
                yield state / "users" / user / "ca.crt"
            yield state / "ca.crt"


def _is_anothers(file: Path) -> bool:
    """Whether another user than this one and root could have put it there."""
    if not hasattr(os, "getuid"):
        return False
    return file.stat().st_uid not in {0, os.getuid()}


def _servers(host: str | Sequence[str], port: int) -> tuple[str, ...]:
    hosts = host.split(",") if isinstance(host, str) else list(host)
    if not hosts or not all(isinstance(name, str) and name.strip() for name in hosts):
        raise ConfigurationError(f"host is {host!r}: pass a name, or several, each with or without :port")
    return tuple(_url(name.strip(), port) for name in hosts)


def _urls(text: str) -> tuple[str, ...]:
    return _servers(text.strip(), DEFAULT_PORT)


def _url(name: str, port: int) -> str:
    scheme, separator, rest = name.rpartition("://")
    if separator and scheme not in {"tls", "nats"}:
        raise ConfigurationError(f"{name!r} is no server of the bus: write HOST, HOST:PORT or tls://HOST:PORT")
    if rest.count(":") > 1 and not rest.startswith("["):
        rest = f"[{rest}]"
    try:
        parts = urlsplit(f"tls://{rest}")
        number = port if parts.port is None else parts.port
    except ValueError as problem:
        raise ConfigurationError(f"{name!r} is no server of the bus: {problem}") from None
    if not parts.hostname or parts.username or parts.path or parts.query:
        raise ConfigurationError(f"{name!r} is no server of the bus: write HOST, HOST:PORT or tls://HOST:PORT")
    if not isinstance(number, int) or not 0 < number < 65_536:
        raise ConfigurationError(f"port is {number!r}: pass a number from 1 to 65535")
    shown = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"tls://{shown}:{number}"


def _with_neighbours(servers: tuple[str, ...], folder: Path) -> tuple[str, ...]:
    """All servers of the bus, where the list of them lies beside the certificate and has these."""
    beside = folder / "url"
    if not beside.is_file():
        return servers
    all_of_them = _urls(_read(beside))
    return all_of_them if set(servers) <= set(all_of_them) else servers


def _seed(nkey: str | os.PathLike[str]) -> str:
    """The seed itself, or that in a file."""
    text = os.fspath(nkey)
    if text.startswith("SU") and "/" not in text:
        return text.strip()
    return _read(Path(text)).strip()


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise ConfigurationError(f"{file} cannot be read: {_why(problem)}") from None


def _why(problem: Exception) -> str:
    return getattr(problem, "strerror", None) or str(problem)


def user_label(user: str) -> str:
    """The user's name, where it is needed to name something of the user's."""
    if not user:
        raise ConfigurationError("the user's name is needed to read a durable subscription: pass user= beside the NKey")
    return queues.label(user, "user")
