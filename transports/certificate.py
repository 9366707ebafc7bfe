"""The certificate of a TLS server: from files, or made at start for this machine alone."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOSTS: Final = ("localhost", "127.0.0.1", "::1")
LIFE: Final = timedelta(days=397)  # the most that browsers take of anybody
_CLOCKS_APART: Final = timedelta(hours=1)
_CERTIFICATE: Final = b"CERTIFICATE-----"
_KEY: Final = b"PRIVATE KEY-----"
_ALPN: Final = ("h2", "http/1.1")  # the latter for /health, /metrics and POST by plain tools


class CertificateError(ValueError):
    """The certificate or key given cannot be used; the message names the files."""


def server_context(certfile: str | None, keyfile: str | None, alpn: Sequence[str] = _ALPN) -> ssl.SSLContext:
    """TLS 1.2 or later offering `alpn`, in that order; self-made where no files are given. Raises CertificateError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 9113, section 9.2
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")  # what appendix A of it leaves of TLS 1.2
    context.set_alpn_protocols(list(alpn))
    if certfile is None and keyfile is None:
        _load_made(context)
    else:
        load(context, certfile, keyfile)
    return context


def load(context: ssl.SSLContext, certfile: str | None, keyfile: str | None) -> None:
    """Give a context the pair in these files. Raises CertificateError with what is wrong with which file."""
    if certfile is None or keyfile is None:
        raise CertificateError("--certfile and --keyfile belong together: give both or neither")
    for option, path, wanted in (("--certfile", certfile, _CERTIFICATE), ("--keyfile", keyfile, _KEY)):
        try:
            text = Path(path).read_bytes()
        except OSError as error:
            raise CertificateError(f"cannot read {option} {path}: {error.strerror}") from error
        if wanted not in text:
            raise CertificateError(f"{option} {path} has no line '-----BEGIN … {wanted.decode()}': PEM is allowed")

    def refuse_passphrase() -> str:  # else OpenSSL would ask for it on the terminal
        raise CertificateError(
            f"--keyfile {keyfile} is encrypted: give it without a passphrase (openssl pkey -in {keyfile} -out PLAIN)"
        )

    try:
        context.load_cert_chain(certfile, keyfile, refuse_passphrase)
    except ssl.SSLError as error:
        why = "the key is not that of the certificate" if error.reason == "KEY_VALUES_MISMATCH" else str(error)
        raise CertificateError(f"cannot use --certfile {certfile} with --keyfile {keyfile}: {why}") from error


def _load_made(context: ssl.SSLContext) -> None:
    # OpenSSL's binding takes files only; the key is gone from the disk before the first connection.
    with TemporaryDirectory(prefix="rtlab-tls-") as folder:  # only its owner may enter
        context.load_cert_chain(*write_made(Path(folder)))


def write_made(folder: Path) -> tuple[Path, Path]:
    """Make a pair as of now; return the files of the certificate and of its key, in a folder that others can't read."""
    certfile, keyfile = folder / "certificate.pem", folder / "key.pem"
    for path, text in zip((certfile, keyfile), make(datetime.now(UTC)), strict=True):
        path.write_bytes(text)
    return certfile, keyfile


def make(now: datetime) -> tuple[bytes, bytes]:
    """A self-signed certificate for HOSTS and its key, both PEM. Only a client that is given it trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "rtlab on this machine")])
    names = [x509.DNSName(host) if host.isalpha() else x509.IPAddress(ip_address(host)) for host in HOSTS]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCKS_APART)
        .not_valid_after(now + LIFE - _CLOCKS_APART)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM), private
