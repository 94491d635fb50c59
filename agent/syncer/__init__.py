"""The agent's middle: the engine decides, `agent.kube` acts, `agent.storage` remembers.

Syncer (manager)      every application on this cluster, woken one by one, and the intake of assignments
├── LiveState         what is there: one watch a kind, only managed objects, only what judging needs
└── ApplicationLoop   one application: operate, judge, heal, tell
    ├── Targets       what is assigned, resolved against what the cluster serves
    ├── Judge         one object: as assigned or not, who changed it, when
    └── Runner        one operation, its state on disk before each step
"""
