"""Events that Git servers and registries send when something was pushed.

All that any of them can bring about is that a repository the hub reads anyway is asked a little earlier. Whose event
it is shows in its headers (`providers`); whether it is believed is decided before its body is looked into (`proof`);
and of the body nothing is taken in but a few addresses (`skim`). What becomes of them is the controller's affair.
"""
