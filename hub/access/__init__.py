"""People: their accounts, the sessions they open, what their roles allow, and the record of what they did.

contract   what the package needs of the store and of the clock
passwords  rules and hashing, never on the event loop
throttle   how often somebody may guess
accounts   local accounts, and the administrator of the first start
sessions   bearer tokens
roles      who may do what
audit      events
"""
