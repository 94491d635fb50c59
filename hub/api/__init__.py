"""The REST API, versioned under /api/v1, and all else that the HTTPS port serves.

app, services      puts it together, over what it is given
listener           the port itself
guard              what is true of every request: id, limits, session, headers, log
errors             the catalogue of what callers are told
context, params    what routes work with
routes             one file for each subject
models, convert    the bodies of requests and replies, and how they are made
overview, standings, detail, rendered, targets
                   what is known of applications, put together
asking             questions to many clusters
feed, streams      watching
metrics            for Prometheus

Writing here means: write to the store, and say so on the bus. What follows from it is the controller's.
"""
