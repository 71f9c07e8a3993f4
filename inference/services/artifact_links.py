"""Links to files of a task that work without a key, for a while."""

import uuid

from django.core import signing

# Long enough to download a list of files by hand, short enough that a link in a chat is soon worthless.
LINK_SECONDS = 60 * 60

_signer = signing.TimestampSigner(salt="inference.artifact")


def sign_artifact(artifact_id: uuid.UUID) -> str:
    """The `signature` of a link to this artifact; good for LINK_SECONDS."""
    return _signer.sign(str(artifact_id)).removeprefix(f"{artifact_id}{_signer.sep}")


def is_signed(artifact_id: uuid.UUID, signature: str) -> bool:
    """Whether `signature` was made for this artifact, not too long ago."""
    try:
        _signer.unsign(f"{artifact_id}{_signer.sep}{signature}", max_age=LINK_SECONDS)
    except signing.BadSignature:
        return False
    return True
