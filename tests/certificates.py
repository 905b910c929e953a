"""Certificates of the tests' own authority."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID as Usage
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)
_PEM = serialization.Encoding.PEM


class Authority:
    """Issues certificates into a folder."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        builder = _builder(self._name, self._name, self._key, -DAY, 30 * DAY)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(_PEM))

    def issue(
        self,
        file: str,
        *,
        common: str = "somebody",
        uris: tuple[str, ...] = (),
        hosts: tuple[str, ...] = (),
        begins: timedelta = -DAY,
        ends: timedelta = 20 * DAY,
        usage: x509.ObjectIdentifier | None = None,
        password: bytes = b"",
    ) -> Pair:
        """A certificate and its key, as FILE.pem and FILE.key; it is for 127.0.0.1 too."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [*map(x509.UniformResourceIdentifier, uris), *map(x509.DNSName, hosts)]
        if usage is None and not uris and common == "somebody":
            names.append(x509.IPAddress(ip_address("127.0.0.1")))
        builder = _builder(_named(common), self._name, key, begins, ends)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), False)
        if usage is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), False)
        made = Pair(self.folder / f"{file}.pem", self.folder / f"{file}.key")
        made.cert.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(_PEM))
        sealed = (
            serialization.BestAvailableEncryption(password)
            if password
            else serialization.NoEncryption()
        )
        made.key.touch(0o600)
        made.key.chmod(0o600)
        made.key.write_bytes(key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, sealed))
        return made

    def client(
        self, pair: Pair | None = None, version: ssl.TLSVersion | None = None
    ) -> ssl.SSLContext:
        """What a caller needs who trusts this authority, and may show a certificate."""
        context = ssl.create_default_context(cafile=str(self.file))
        if pair is not None:
            context.load_cert_chain(pair.cert, pair.key)
        if version is not None:
            context.minimum_version = context.maximum_version = version
        return context


class Pair:
    """The files of a certificate and of its key."""

    def __init__(self, cert: Path, key: Path) -> None:
        self.cert, self.key = cert, key

    def replace(self, other: Pair) -> None:
        """The other pair takes this one's place, as a certificate that is renewed does."""
        other.key.rename(self.key)
        other.cert.rename(self.cert)

    @property
    def serial(self) -> int:
        return x509.load_pem_x509_certificate(self.cert.read_bytes()).serial_number


def _named(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _builder(
    name: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    begins: timedelta,
    ends: timedelta,
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + begins)
        .not_valid_after(now + ends)
    )


__all__ = ["DAY", "Authority", "Pair", "Usage"]
