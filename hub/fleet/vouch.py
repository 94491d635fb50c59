"""Sees to it that what is sent bears a signature its receiver believes.

A manifest set is signed when it is assigned, and may be sent long after: to an agent that lost its disk, or was away.
By then the key may have been rotated out, and agents refuse what is signed with it.
"""

from __future__ import annotations

from dataclasses import replace

from hub.domain.assignment import Assignment
from hub.domain.manifest import ManifestSetRef
from hub.pki.authority import PublicKeyInfrastructure


class Voucher:
    def __init__(self, pki: PublicKeyInfrastructure) -> None:
        self._pki = pki

    def vouch(self, assignment: Assignment) -> Assignment:
        """Return the assignment with its sets signed anew where the key is no longer in force."""
        content = assignment.content
        operation = content.operation
        manifest_set = self._signed(content.manifest_set)
        if operation is not None:
            operation = replace(operation, manifest_set=self._signed(operation.manifest_set))
        if manifest_set is content.manifest_set and operation == content.operation:
            return assignment
        return replace(assignment, content=replace(content, manifest_set=manifest_set, operation=operation))

    def _signed(self, ref: ManifestSetRef) -> ManifestSetRef:
        if not ref.digest or any(signer.record.id == ref.key_id for signer in self._pki.keyring.signers):
            return ref
        signature, key_id = self._pki.sign(bytes.fromhex(ref.digest))
        return replace(ref, signature=signature, key_id=key_id)
