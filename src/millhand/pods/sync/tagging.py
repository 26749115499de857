"""Tags of blocks, as a client takes them; :mod:`millhand.pods.sync.tags` says what they are."""

from __future__ import annotations

import secrets

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import GCM

from millhand.pods.sync.tags import KEY, NONCE, TAG


class Tagging:
    """Takes the tags of one sync, under a key of its own."""

    def __init__(self) -> None:
        self.key = secrets.token_bytes(KEY)

    def begin(self) -> _Tag:
        """A tag of what it will be given."""
        return _Tag(self.key, secrets.token_bytes(NONCE))

    def fits(self, data: bytes, text: str) -> bool:
        """Whether a text, from the other side, is a nonce and the tag of ``data`` under it."""
        try:
            told = bytes.fromhex(text)
        except ValueError:
            return False
        if len(told) != NONCE + TAG:
            return False
        tag = _Tag(self.key, told[:NONCE])
        tag.update(data)
        return tag.text() == told.hex()


class _Tag:
    def __init__(self, key: bytes, nonce: bytes) -> None:
        self._nonce = nonce
        self._cipher = Cipher(AES(key), GCM(nonce)).encryptor()

    def update(self, data: bytes | memoryview) -> None:
        """Add bytes."""
        self._cipher.authenticate_additional_data(data)

    def text(self) -> str:
        """The nonce and the tag, in hex; nothing can be added any more."""
        self._cipher.finalize()
        return (self._nonce + self._cipher.tag).hex()
