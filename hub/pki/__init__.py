"""Trust between hub and agents: who may join, what certificates say, and what ends them.

contract            what the package needs of the store and of the clock, and its settings
secretbox           private keys at rest
certificates        X.509: building, reading, pins
keyring             the authorities in force, loaded
authority           the authority itself: issues, signs, rotates
server_certificate  the hub's own certificate, renewed while it serves
join                join tokens
enrolment           from token, or from an earlier certificate, to a certificate
recover             the way back after expiry
verify              from a peer's certificate to the cluster it speaks for
revocation          which certificates no longer count
"""
