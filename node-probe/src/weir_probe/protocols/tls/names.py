# cython: annotation_typing=False
"""What the numbers of TLS are called (IANA, Transport Layer Security (TLS) Parameters)."""

from typing import Final

_VERSIONS: Final = {
    0x0300: b"SSL 3.0",
    0x0301: b"TLS 1.0",
    0x0302: b"TLS 1.1",
    0x0303: b"TLS 1.2",
    0x0304: b"TLS 1.3",
}
_ALERTS: Final = {
    0: b"close_notify",
    10: b"unexpected_message",
    20: b"bad_record_mac",
    21: b"decryption_failed",
    22: b"record_overflow",
    30: b"decompression_failure",
    40: b"handshake_failure",
    41: b"no_certificate",
    42: b"bad_certificate",
    43: b"unsupported_certificate",
    44: b"certificate_revoked",
    45: b"certificate_expired",
    46: b"certificate_unknown",
    47: b"illegal_parameter",
    48: b"unknown_ca",
    49: b"access_denied",
    50: b"decode_error",
    51: b"decrypt_error",
    52: b"too_many_cids_requested",
    60: b"export_restriction",
    70: b"protocol_version",
    71: b"insufficient_security",
    80: b"internal_error",
    86: b"inappropriate_fallback",
    90: b"user_canceled",
    100: b"no_renegotiation",
    109: b"missing_extension",
    110: b"unsupported_extension",
    111: b"certificate_unobtainable",
    112: b"unrecognized_name",
    113: b"bad_certificate_status_response",
    114: b"bad_certificate_hash_value",
    115: b"unknown_psk_identity",
    116: b"certificate_required",
    120: b"no_application_protocol",
    121: b"ech_required",
}
#: Those that are in use; what is older is told by its number.
_CIPHERS: Final = {
    0x000A: b"TLS_RSA_WITH_3DES_EDE_CBC_SHA",
    0x002F: b"TLS_RSA_WITH_AES_128_CBC_SHA",
    0x0033: b"TLS_DHE_RSA_WITH_AES_128_CBC_SHA",
    0x0035: b"TLS_RSA_WITH_AES_256_CBC_SHA",
    0x0039: b"TLS_DHE_RSA_WITH_AES_256_CBC_SHA",
    0x003C: b"TLS_RSA_WITH_AES_128_CBC_SHA256",
    0x003D: b"TLS_RSA_WITH_AES_256_CBC_SHA256",
    0x0067: b"TLS_DHE_RSA_WITH_AES_128_CBC_SHA256",
    0x006B: b"TLS_DHE_RSA_WITH_AES_256_CBC_SHA256",
    0x009C: b"TLS_RSA_WITH_AES_128_GCM_SHA256",
    0x009D: b"TLS_RSA_WITH_AES_256_GCM_SHA384",
    0x009E: b"TLS_DHE_RSA_WITH_AES_128_GCM_SHA256",
    0x009F: b"TLS_DHE_RSA_WITH_AES_256_GCM_SHA384",
    0x00A8: b"TLS_PSK_WITH_AES_128_GCM_SHA256",
    0x00A9: b"TLS_PSK_WITH_AES_256_GCM_SHA384",
    0x1301: b"TLS_AES_128_GCM_SHA256",
    0x1302: b"TLS_AES_256_GCM_SHA384",
    0x1303: b"TLS_CHACHA20_POLY1305_SHA256",
    0x1304: b"TLS_AES_128_CCM_SHA256",
    0x1305: b"TLS_AES_128_CCM_8_SHA256",
    0xC009: b"TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    0xC00A: b"TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    0xC013: b"TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    0xC014: b"TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    0xC023: b"TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
    0xC024: b"TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384",
    0xC027: b"TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
    0xC028: b"TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384",
    0xC02B: b"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    0xC02C: b"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    0xC02F: b"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    0xC030: b"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    0xC035: b"TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA",
    0xC0AC: b"TLS_ECDHE_ECDSA_WITH_AES_128_CCM",
    0xC0AD: b"TLS_ECDHE_ECDSA_WITH_AES_256_CCM",
    0xCCA8: b"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    0xCCA9: b"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    0xCCAA: b"TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    0xCCAC: b"TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256",
}


def version_name(number: int) -> bytes:
    return _VERSIONS.get(number) or b"0x%04x" % number


def alert_name(number: int) -> bytes:
    return _ALERTS.get(number) or b"%d" % number


def cipher_name(number: int) -> bytes:
    return _CIPHERS.get(number) or b"0x%04x" % number
