"""The feed's certificates: an authority of its own, and a serving certificate that it signs. Pure but for random keys.

The authority is replaced well before it ends. The new one is published first, and signs only once every client has had
the time to learn of it; the old one stays published until it ends, after the last certificate that it signed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

SERVING_LIFE: Final = timedelta(days=90)
AUTHORITY_LIFE: Final = timedelta(days=5 * 365)
#: A kubelet brings a changed ConfigMap to its pods within about two minutes; a node may be away for longer.
PUBLISHED_FIRST: Final = timedelta(days=1)
_RENEW_BEFORE_END: Final = SERVING_LIFE / 3
_NEW_AUTHORITY_BEFORE_END: Final = SERVING_LIFE + 30 * PUBLISHED_FIRST
#: Clocks of clients may be behind ours.
_SKEW: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def begins(self) -> datetime:
        return self.certificate.not_valid_before_utc + _SKEW

    @property
    def ends(self) -> datetime:
        return self.certificate.not_valid_after_utc


@dataclass(frozen=True, slots=True)
class Material:
    """Everything that the replicas share: the authorities, oldest first, and what they serve with."""

    authorities: tuple[Issued, ...]
    serving: Issued

    @property
    def bundle(self) -> str:
        """What clients trust, as PEM."""
        return "".join(_pem(each.certificate) for each in self.authorities)

    @property
    def chain(self) -> bytes:
        """The serving certificate and its key, as PEM, for ssl.SSLContext.load_cert_chain."""
        return (_pem(self.serving.certificate) + _key_pem(self.serving.key)).encode()

    def data(self) -> dict[str, str]:
        """As `read` takes it."""
        return {
            "ca.crt": self.bundle,
            "ca.key": "".join(_key_pem(each.key) for each in self.authorities),
            "tls.crt": _pem(self.serving.certificate),
            "tls.key": _key_pem(self.serving.key),
        }


def read(data: dict[str, str]) -> Material:
    """What `Material.data` wrote. Raises ValueError with what is wrong with it."""
    missing = [name for name in ("ca.crt", "ca.key", "tls.crt", "tls.key") if not data.get(name)]
    if missing:
        raise ValueError(f"{', '.join(missing)}: not there")
    authorities = _pairs(data["ca.crt"], data["ca.key"], "ca")
    (serving,) = _pairs(data["tls.crt"], data["tls.key"], "tls")[:1]
    return Material(tuple(authorities), serving)


def current(held: Material | None, names: Sequence[str], now: datetime) -> Material:
    """What to serve with at `now`, for these DNS names: what is held, where nothing of it is to be renewed."""
    authorities = [each for each in (held.authorities if held else ()) if now < each.ends]
    if not authorities or authorities[-1].ends - now < _NEW_AUTHORITY_BEFORE_END:
        authorities.append(_authority(now))
    signer = next((each for each in reversed(authorities) if now - each.begins >= PUBLISHED_FIRST), authorities[0])
    serving = held.serving if held else None
    if serving is None or not _serves(serving, authorities, names, now):
        serving = _serving(signer, names, now)
    elif held is not None and tuple(authorities) == held.authorities:
        return held
    return Material(tuple(authorities), serving)


def _serves(serving: Issued, authorities: Sequence[Issued], names: Sequence[str], now: datetime) -> bool:
    """Whether a certificate is one of these authorities' for these names, and not to be renewed yet."""
    certificate = serving.certificate
    if not certificate.not_valid_before_utc <= now < serving.ends - _RENEW_BEFORE_END:
        return False
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    if sorted(found.get_values_for_type(x509.DNSName)) != sorted(names):
        return False
    return any(_signed(certificate, each.certificate) for each in authorities)


def _signed(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _authority(now: datetime) -> Issued:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"weir-identity-ca {now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}")
    builder = _builder(name, name, key, now, now + AUTHORITY_LIFE)
    usage = _usage(key_cert_sign=True, crl_sign=True)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    return Issued(builder.add_extension(usage, critical=True).sign(key, hashes.SHA256()), key)


def _serving(signer: Issued, names: Sequence[str], now: datetime) -> Issued:
    key = ec.generate_private_key(ec.SECP256R1())
    ends = min(now + SERVING_LIFE, signer.ends)
    builder = _builder(_name("weir-identity"), signer.certificate.subject, key, now, ends)
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key())
    for extension, critical in (
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_usage(digital_signature=True), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), False),
        (issuer, False),
    ):
        builder = builder.add_extension(extension, critical=critical)
    return Issued(builder.sign(signer.key, hashes.SHA256()), key)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, ends: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _usage(*, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pairs(certificates: str, keys: str, what: str) -> list[Issued]:
    """Certificates and their keys, in PEM texts of the same order."""
    read_certificates = x509.load_pem_x509_certificates(certificates.encode())
    end = "-----END PRIVATE KEY-----"
    read_keys = [
        serialization.load_pem_private_key((text + end).encode(), password=None) for text in keys.split(end)[:-1]
    ]
    if len(read_certificates) != len(read_keys) or not read_keys:
        raise ValueError(f"{what}.key: {len(read_keys)} keys for {len(read_certificates)} certificates")
    pairs = []
    for certificate, key in zip(read_certificates, read_keys, strict=True):
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
            raise ValueError(f"{what}.key: is not the key of {what}.crt")
        pairs.append(Issued(certificate, key))
    return pairs


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    format_, encryption = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, format_, encryption).decode()
