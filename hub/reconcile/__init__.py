"""The controller: from what people want and what Git says to what every cluster is assigned.

    Controller         decides which application is looked at, and when: the one writer of assignments
    ├── Watcher        repositories: notices commits, and which applications read what they changed
    ├── Materializer   one distinct input → its ManifestSet: from the store, or rendered, signed and stored
    ├── Assigner       one application → an assignment for each of its clusters
    ├── requests       what people asked for (sync, rollback, terminate), settled for each cluster
    ├── left_alone     what becomes of an application that its annotation leaves as it is
    └── Janitor        keeps history, blobs and mirrors from growing for ever

One replica at a time is the controller, by lease; another takes over when it dies.
"""
