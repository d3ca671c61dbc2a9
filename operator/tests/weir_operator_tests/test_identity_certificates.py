"""The feed's certificates over the years: whoever trusts what was published can always connect."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from weir_operator.identity.certificates import (
    AUTHORITY_LIFE,
    PUBLISHED_FIRST,
    SERVING_LIFE,
    Material,
    current,
    read,
)

NAMES = ("weir-identity.weir-system.svc", "weir-identity.weir-system")
NOW = datetime(2030, 1, 1, tzinfo=UTC)


def test_nothing_is_made_anew_without_need() -> None:
    first = current(None, NAMES, NOW)
    assert current(first, NAMES, NOW + SERVING_LIFE / 2) is first
    assert current(read(first.data()), NAMES, NOW).data() == first.data()


def test_other_names_need_another_certificate_of_the_same_authority() -> None:
    first = current(None, NAMES, NOW)
    other = current(first, NAMES[:1], NOW)
    assert other.serving != first.serving
    assert other.bundle == first.bundle


def test_clients_always_trust_what_is_served() -> None:
    """Replicas look once a day here, and clients learn of an authority a day after it was published."""
    material: Material | None = None
    published: list[str] = []
    authorities: set[str] = set()
    for day in range(0, 2 * AUTHORITY_LIFE.days, PUBLISHED_FIRST.days):
        now = NOW + timedelta(days=day)
        material = current(material, NAMES, now)
        published.append(material.bundle)
        authorities.add(material.bundle)
        known = published[max(0, len(published) - 2)]
        issuers = [
            each for each in material.authorities if each.certificate.subject == material.serving.certificate.issuer
        ]
        assert len(issuers) == 1
        material.serving.certificate.verify_directly_issued_by(issuers[0].certificate)
        pem = Material((issuers[0],), material.serving).bundle
        assert pem in known
        assert issuers[0].begins <= now < issuers[0].ends
        assert now < material.serving.ends <= issuers[0].ends
        assert len(material.authorities) <= 2
    assert len(authorities) > 2  # it was replaced


@pytest.mark.parametrize("damage", [{"tls.key": ""}, {"ca.key": "x"}, {"tls.crt": "-----BEGIN"}, {"ca.crt": "\x00"}])
def test_damage_is_told(damage: dict[str, str]) -> None:
    data = current(None, NAMES, NOW).data() | damage
    with pytest.raises(ValueError, match=r".+"):
        read(data)


def test_a_key_of_another_certificate_is_told() -> None:
    data = current(None, NAMES, NOW).data()
    other = current(None, NAMES, NOW).data()
    with pytest.raises(ValueError, match=r"tls\.key: is not the key of tls\.crt"):
        read(data | {"tls.key": other["tls.key"]})


def test_openssl_takes_it(tmp_path: Path) -> None:
    material = current(None, NAMES, datetime.now(UTC))
    (tmp_path / "chain.pem").write_bytes(material.chain)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "chain.pem")
    client = ssl.create_default_context(cadata=material.bundle)
    client.verify_flags |= ssl.VerifyFlags.VERIFY_X509_STRICT
    ends = [ssl.MemoryBIO() for _ in range(2)]
    hello = client.wrap_bio(ends[0], ends[1], server_hostname=NAMES[0])
    answer = server.wrap_bio(ends[1], ends[0], server_side=True)
    for _ in range(4):
        for side in (hello, answer):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert hello.version() in ("TLSv1.2", "TLSv1.3")
