"""The agent's middle: the engine decides, `agent.kube` acts, `agent.storage` remembers.

Syncer (manager)      every application on this cluster, woken one by one, and the intake of assignments
├── LiveState         what is there: one watch a kind, only managed objects, only what judging needs
├── Served            what the cluster serves
├── OrphanWatch       what else is in the namespaces of applications, where a project asks for what belongs to none
└── ApplicationLoop   one application: operate, judge, heal, tell
    ├── Standing      its books: how it stands, object by object, and rolled up
    ├── Preparation   has what is assigned resolved (Targets), and all that is there listed
    ├── Requested     what somebody asked for, and as which attempt
    ├── Automation    when an automated sync is due
    ├── SyncWindows   what has to wait for a sync window (Gate), and what is told of that
    ├── Interrupted   what ran when the agent was killed: it goes on, or is ended
    ├── Contested     looks whether what another application has is given up
    ├── Orphaned      tells what is in its namespace and belongs to no application
    ├── Ending        its end here: what is deleted, with which hooks, and when that is tried again
    ├── Books         opens the book of an operation, and takes over what it has found and done
    ├── Inspection    judges objects: as assigned or not, who changed it, when (judge); and reports (DriftLog)
    ├── UnderWay      the operation under way, and how it heeds what is assigned meanwhile
    └── Runner        one operation (Order): dry run of everything (Preflight), then wave by wave (engine.progress);
        │             its state on disk before each step (Ledger). It gives way whenever it waits
        ├── Together  one thing about many resources at once, and whether the API server was there for it
        ├── Applier   one object, as its sync options say
        ├── Pruner    deletes exactly what was judged
        └── Hooks     made once, watched to their end, deleted as they ask
"""
