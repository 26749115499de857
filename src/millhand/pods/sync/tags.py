"""Tags of blocks on their way: they tell whether what arrived is what was sent. This file travels.

A tag is the GMAC (NIST SP 800-38D) of what a message brings, before compression: what AES-128-GCM gives for
data that it does not encrypt, under a key that is drawn for each sync and a nonce that is drawn for each
message. It finds a change as surely as comparing SHA-256s does, in a tenth of the time. What identifies a
file is still its SHA-256.

The standard library has no AES, but OpenSSL has, which comes with its hashlib. Where that cannot be reached
an agent takes no tags, and SHA-256 does it. Nobody needs to know that beforehand.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

NONCE = 12
TAG = 16
KEY = 16
# AES-128-GCM's first test case in its specification (McGrew and Viega, 2005): nothing, under zeros.
_OF_NOTHING = "58e2fccefa7e3061367f1d57a4e7455a"
_GET_TAG = 0x10  # EVP_CTRL_AEAD_GET_TAG in openssl/evp.h
# What each call takes and gives: pointers and integers.
_CALLS = {
    "EVP_CIPHER_CTX_new": ("", "p"),
    "EVP_aes_128_gcm": ("", "p"),
    "EVP_EncryptInit_ex": ("ppppp", "i"),
    "EVP_EncryptUpdate": ("ppppi", "i"),
    "EVP_EncryptFinal_ex": ("ppp", "i"),
    "EVP_CIPHER_CTX_ctrl": ("piip", "i"),
}


class Tags:
    """Takes tags, by Python's own OpenSSL. Not for two threads at once.

    Args:
        key: 16 bytes.

    Raises:
        ImportError, OSError, AttributeError, ValueError: This Python's OpenSSL cannot be had, or has no GCM.
    """

    def __init__(self, key: bytes) -> None:
        import ctypes  # for those who have something to check

        self._library = _openssl()
        self._at, self._byte = ctypes.addressof, ctypes.c_char
        self._tag, self._count = ctypes.create_string_buffer(TAG), ctypes.pointer(ctypes.c_int())
        self._context = self._library.EVP_CIPHER_CTX_new()
        if not self._context:
            raise ValueError("OpenSSL has no memory")
        self._do("EVP_EncryptInit_ex", self._library.EVP_aes_128_gcm(), None, bytes(KEY), None)
        if self.of(bytes(NONCE), ()).hex() != _OF_NOTHING:
            raise ValueError("OpenSSL takes other tags")
        self.use(key)

    def use(self, key: bytes) -> None:
        """Change the key.

        Raises:
            ValueError: It has not 16 bytes.
        """
        if len(key) != KEY:
            raise ValueError("a key has 16 bytes")
        self._do("EVP_EncryptInit_ex", None, None, key, None)

    def of(self, nonce: bytes, pieces: Iterable[bytes | memoryview]) -> bytes:
        """The tag (16 bytes) of pieces, one after the other; a view must be of memory that can be written.

        Raises:
            ValueError: OpenSSL does not do it.
        """
        if len(nonce) != NONCE:
            raise ValueError("a nonce has 12 bytes")
        self._do("EVP_EncryptInit_ex", None, None, None, nonce)
        for piece in pieces:
            self._do("EVP_EncryptUpdate", None, self._count, self._start(piece), len(piece))
        self._do("EVP_EncryptFinal_ex", self._tag, self._count)
        self._do("EVP_CIPHER_CTX_ctrl", _GET_TAG, TAG, self._tag)
        return self._tag.raw

    def _start(self, piece: bytes | memoryview) -> Any:
        return piece if isinstance(piece, bytes) else self._at((self._byte * len(piece)).from_buffer(piece))

    def _do(self, name: str, *arguments: object) -> None:
        if getattr(self._library, name)(self._context, *arguments) != 1:
            raise ValueError(f"{name} failed")


def _openssl() -> Any:
    import _hashlib
    import ctypes

    library = ctypes.CDLL(getattr(_hashlib, "__file__", None))  # with all that it is linked to
    kinds = {"p": ctypes.c_void_p, "i": ctypes.c_int}
    for name, (takes, gives) in _CALLS.items():
        call = getattr(library, name)
        call.argtypes, call.restype = [kinds[kind] for kind in takes], kinds[gives]
    return library
