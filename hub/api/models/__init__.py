"""The bodies of requests and replies: the API's contract with its clients, in one file for each subject.

Every reply is built by `hub.api.convert` from the domain's values.
"""
