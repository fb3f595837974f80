"""Object stores of others on loopback: Ceph, moto and Azurite, each started once a test session.

| Server | Speaks | Where it comes from |
| --- | --- | --- |
| Ceph RADOS Gateway | S3 | Debian: ceph-mon ceph-osd radosgw ceph-common |
| moto | S3 | PyPI: moto[server] |
| Azurite | Azure Blob Storage | npm: azurite, here or in ~/.cache/stacgen |

A server that is not on this machine skips its tests, and says what to install.
"""

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

CACHE = Path.home() / ".cache" / "stacgen"
"""Where `.ci/run` puts what npm installs."""

KEY, SECRET, REGION = "stacgenkey", "stacgensecret", "us-east-1"
ACCOUNT = "devstoreaccount1"
ACCOUNT_KEY = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)
"""Of every Azurite, and no secret."""

_PATIENCE = 60
"""Seconds that a server may take to answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """An object store that answers."""

    name: str
    scheme: str
    endpoint: str
    options: Mapping[str, str]
    """As `--store-option` takes them."""

    environment: Mapping[str, str]
    """The same for who has them from the environment, stacgen and GDAL."""

    log: Path | None = None
    """Where the server writes a line for each request: method, path and query."""

    def requests(self) -> list[str]:
        """The lines of the log."""
        assert self.log is not None
        return self.log.read_text().splitlines()

    def bucket(self) -> str:
        """The URL of a new, empty bucket."""
        name = f"frames-{uuid.uuid4().hex[:12]}"
        if self.scheme == "az":
            from azure.storage.blob import BlobServiceClient  # noqa: PLC0415 - if installed

            with BlobServiceClient(self.endpoint, credential=ACCOUNT_KEY) as client:
                client.create_container(name).close()
        else:
            self.s3().create_bucket(Bucket=name)
        return f"{self.scheme}://{name}"

    def headers(self, bucket: str, key: str) -> tuple[str, str]:
        """Content-Type and Cache-Control of an object, as the cloud's own client sees them."""
        name = bucket.rpartition("/")[2]
        if self.scheme == "az":
            from azure.storage.blob import BlobClient  # noqa: PLC0415 - if installed

            with BlobClient(self.endpoint, name, key, credential=ACCOUNT_KEY) as client:
                settings = client.get_blob_properties().content_settings
            return settings.content_type or "", settings.cache_control or ""
        found = self.s3().head_object(Bucket=name, Key=key)
        return found["ContentType"], found["CacheControl"]

    def s3(self) -> Any:  # noqa: ANN401 - boto3 has no types
        """Amazon's own client, to look at what lies there with other eyes."""
        import boto3  # noqa: PLC0415 - if installed
        from botocore.config import Config  # noqa: PLC0415 - same

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
            region_name=REGION,
            config=Config(s3={"addressing_style": "path"}),
        )


MOTO = """
import sys, threading
from moto import server
from moto.moto_server.werkzeug_app import DomainDispatcherApplication

answer, lock = DomainDispatcherApplication.__call__, threading.Lock()
log = open(sys.argv.pop(), "w", buffering=1)

def one_at_a_time(application, environ, start):
    with lock:
        print(environ["REQUEST_METHOD"], environ["PATH_INFO"], environ["QUERY_STRING"], file=log)
        return answer(application, environ, start)

DomainDispatcherApplication.__call__ = one_at_a_time
server.main()
"""
"""moto looks at an ETag and puts the object in two steps, between which another may put one: of
8 writers one lost a link. S3 does both at once, and so does this."""


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """S3 as moto has it."""
    if importlib.util.find_spec("moto") is None:
        pytest.skip("moto is not on this machine: pip install 'moto[server]'")
    port, log = free_port(), tmp_path_factory.mktemp("moto") / "requests.log"
    command = [sys.executable, "-c", MOTO, "-H", "127.0.0.1", "-p", str(port), str(log)]
    with _running(command, {}), _answering(f"http://127.0.0.1:{port}") as endpoint:
        yield replace(_s3("moto", endpoint), log=log)


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Azure Blob Storage as Microsoft's own emulator has it."""
    path = os.pathsep.join([os.environ["PATH"], str(CACHE / "node_modules" / ".bin")])
    program = shutil.which("azurite-blob", path=path)
    if program is None:
        pytest.skip(f"Azurite is not on this machine: npm install --prefix {CACHE} azurite")
    if importlib.util.find_spec("azure") is None:
        pytest.skip("Azure's client is not on this machine: pip install azure-storage-blob")
    port = free_port()
    command = [program, "--blobHost", "127.0.0.1", "--blobPort", str(port)]
    command += ["--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", "--silent"]
    folder = tmp_path_factory.mktemp("azurite")
    with _running(command, {"cwd": folder}), _answering(f"http://127.0.0.1:{port}") as base:
        endpoint = f"{base}/{ACCOUNT}"
        yield Service(
            name="azurite",
            scheme="az",
            endpoint=endpoint,
            options={
                "account_name": ACCOUNT,
                "account_key": ACCOUNT_KEY,
                "endpoint": endpoint,
                "allow_http": "true",
            },
            environment={
                "AZURE_STORAGE_CONNECTION_STRING": (
                    f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};"
                    f"AccountKey={ACCOUNT_KEY};BlobEndpoint={endpoint};"
                ),
            },
        )


@pytest.fixture(scope="session")
def ceph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """S3 as Ceph has it: a monitor, a store in memory and a gateway."""
    missing = [name for name in ("ceph-mon", "ceph-osd", "radosgw") if shutil.which(name) is None]
    if missing:
        pytest.skip("Ceph is not on this machine: apt-get install ceph-mon ceph-osd radosgw")
    if importlib.util.find_spec("boto3") is None:
        pytest.skip("boto3 is not on this machine: pip install boto3")
    with _cluster(tmp_path_factory.mktemp("ceph")) as endpoint:
        yield _s3("ceph", endpoint)


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _s3(name: str, endpoint: str) -> Service:
    host = endpoint.partition("//")[2]
    return Service(
        name=name,
        scheme="s3",
        endpoint=endpoint,
        options={
            "endpoint": endpoint,
            "access_key_id": KEY,
            "secret_access_key": SECRET,
            "region": REGION,
            "allow_http": "true",
        },
        environment={
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": REGION,
            "AWS_ALLOW_HTTP": "true",
            "AWS_S3_ENDPOINT": host,  # this and what follows is for GDAL
            "AWS_HTTPS": "NO",
            "AWS_VIRTUAL_HOSTING": "FALSE",
        },
    )


@contextmanager
def _running(command: list[str], settings: Mapping[str, Any]) -> Iterator[None]:
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, **quiet, **settings) as process:
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


@contextmanager
def _answering(url: str) -> Iterator[str]:
    """Wait until something answers there, be it that it knows nobody."""

    def answers() -> bool:
        try:
            urllib.request.urlopen(url, timeout=5).close()  # noqa: S310 - ours, on loopback
        except urllib.error.HTTPError as error:
            error.close()
        except OSError:
            return False
        return True

    _until(answers, url)
    yield url


def _until(holds: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + _PATIENCE
    while not holds():
        if time.monotonic() > end:
            pytest.fail(f"{what} did not come up within {_PATIENCE} s")
        time.sleep(0.1)


@contextmanager
def _cluster(home: Path) -> Iterator[str]:
    """The smallest cluster that there is, on ports of its own; the address of its gateway."""
    first, second, port = free_port(), free_port(), free_port()
    conf = home / "ceph.conf"
    for name in ("mon", "osd", "log", "run", "rgw"):
        (home / name).mkdir()
    cluster = str(uuid.uuid4())
    address = f"[v2:127.0.0.1:{first},v1:127.0.0.1:{second}]"
    conf.write_text(_CONF.format(home=home, cluster=cluster, address=address))

    def run(program: str, *arguments: str) -> str:
        done = subprocess.run(
            [program, *arguments], check=False, capture_output=True, text=True, timeout=_PATIENCE
        )
        if done.returncode:
            pytest.fail(f"{program} {' '.join(arguments)}: {done.stderr}")
        return done.stdout

    ring = str(home / "keyring")
    options = ("-c", str(conf))
    run("ceph-authtool", "--create-keyring", ring)
    for name, grants in _GRANTS.items():
        caps = [part for grant in grants for part in ("--cap", *grant)]
        run("ceph-authtool", ring, "--gen-key", "-n", name, *caps)
    monitors = str(home / "monmap")
    run("monmaptool", "--create", "--fsid", cluster, "--addv", "a", address, monitors)
    run("ceph-mon", *options, "--id", "a", "--mkfs", "--monmap", monitors, "--keyring", ring)
    try:
        run("ceph-mon", *options, "--id", "a")
        run("ceph", *options, "auth", "import", "-i", ring)
        run("ceph", *options, "osd", "create", cluster, "0")
        run("ceph", *options, *_CRUSH)
        run("ceph-osd", *options, "--id", "0", "--mkfs", "--osd-uuid", cluster)
        run("ceph-osd", *options, "--id", "0")
        # Until it has joined, a new pool would change the map under it, and it never would.
        _until(lambda: "1 up" in run("ceph", *options, "osd", "stat"), "Ceph's OSD")
        run("radosgw-admin", *options, *_USER)
        frontend = f"--rgw-frontends=beast endpoint=127.0.0.1:{port}"
        run("radosgw", *options, "-n", "client.rgw", frontend, f"--log-file={home}/log/rgw.log")
        with _answering(f"http://127.0.0.1:{port}") as endpoint:
            yield endpoint
    finally:
        for file in (home / "run").glob("*.pid"):
            with _gone():
                os.kill(int(file.read_text()), 15)


@contextmanager
def _gone() -> Iterator[None]:
    try:
        yield
    except (ProcessLookupError, ValueError):
        return


_CRUSH = ("osd", "crush", "add", "osd.0", "1", "root=default", "host=localhost")
_USER = (
    *("user", "create", "--uid=stacgen", "--display-name=stacgen"),
    *(f"--access-key={KEY}", f"--secret-key={SECRET}"),
)
_GRANTS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "mon.": (("mon", "allow *"),),
    "client.admin": tuple((part, "allow *") for part in ("mon", "osd", "mgr", "mds")),
    "osd.0": (("mon", "allow profile osd"), ("mgr", "allow profile osd"), ("osd", "allow *")),
    "client.rgw": (("mon", "allow *"), ("osd", "allow *")),
}

_CONF = """
[global]
fsid = {cluster}
mon host = {address}
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
keyring = {home}/keyring
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd crush chooseleaf type = 0
mon max pg per osd = 2000
public addr = 127.0.0.1
cluster addr = 127.0.0.1
run dir = {home}/run
admin socket = {home}/run/$name.asok
pid file = {home}/run/$name.pid
log file = {home}/log/$name.log
osd objectstore = memstore
memstore device bytes = 2147483648
osd data = {home}/osd
osd class load list = *
osd class default list = *
mon data = {home}/mon
mon cluster log file = {home}/log/cluster.log
rgw data = {home}/rgw
"""
