"""Certificates for servers on the loopback interface, signed by an authority that lives and dies with its folder."""

from __future__ import annotations

import base64
import datetime
import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

LOOPBACK = "127.0.0.1"
_Private = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
_Public = ec.EllipticCurvePublicKey | rsa.RSAPublicKey
_LIFE = datetime.timedelta(days=3650)
"""Long: a program that finds its certificate near its end makes another, and then trusts a different authority."""


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority; what it signs lies beside it in `folder`."""

    folder: Path
    certificate: x509.Certificate
    key: rsa.RSAPrivateKey

    @property
    def file(self) -> Path:
        return self.folder / "ca.crt"

    @property
    def bundle(self) -> str:
        """As a kubeconfig or a webhook's caBundle carries it."""
        return base64.b64encode(self.file.read_bytes()).decode()

    def sign(self, name: str, hosts: Sequence[str] = ()) -> tuple[Path, Path]:
        """The files of a server's certificate and key for 127.0.0.1, localhost and `hosts`."""
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [x509.IPAddress(ipaddress.ip_address(LOOPBACK))]
        names += [x509.DNSName(host) for host in ("localhost", *hosts)]
        certificate = _builder(name, self.certificate.subject, key.public_key())
        certificate = certificate.add_extension(x509.SubjectAlternativeName(names), critical=False)
        signed = certificate.sign(self.key, hashes.SHA256())
        return _put(self.folder, name, signed, key)


def authority(folder: Path, name: str = "ca") -> Authority:
    """A new one, for `folder`. RSA: of an authority's keys, Kueue reads no others."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = _builder(name, subject, key.public_key())
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    # kueue looks for the authority's own name among its alternative names.
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    certificate = builder.sign(key, hashes.SHA256())
    _put(folder, "ca", certificate, key)
    return Authority(folder, certificate, key)


def service_account_key(folder: Path) -> Path:
    """What the API server signs service accounts' tokens with. RSA: of elliptic keys it takes only one old form."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return _secret(folder / "service-accounts.key", key)


def _builder(name: str, issuer: x509.Name, key: _Public) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + _LIFE)
    )


def _put(folder: Path, name: str, certificate: x509.Certificate, key: _Private) -> tuple[Path, Path]:
    public = folder / f"{name}.crt"
    public.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return public, _secret(folder / f"{name}.key", key)


def _secret(path: Path, key: _Private) -> Path:
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
        stream.write(text)
    return path
